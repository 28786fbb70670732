"""What the motion blocks see: a face clip, its optical flow, and the network's own responses, as pictures."""
