"""Optimisers of angles that ask for points and are told what was measured there."""
