"""The models that can be trained, one module each; `learning.models.registry` finds them by presence."""
