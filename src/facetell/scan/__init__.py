"""A corpus: many videos, each scored once, by many processes or machines; any run can be stopped and taken up."""
