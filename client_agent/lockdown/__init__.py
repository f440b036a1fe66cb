"""Lockdown: operations that know how to revert, and the undo file that brings a PC back."""
