"""The version of embedkit: part of every recipe key, so a new version makes its results anew."""

__version__ = "0.1.0"
