"""Drawings of the motion of a face: clip, optical flow, and responses of the motion blocks."""
