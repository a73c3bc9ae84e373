"""The outside world, one file per counterpart. Outgoing HTTP lives here and nowhere else."""

from adapters.government_login import GovernmentLogin, LoginStart

__all__ = ["GovernmentLogin", "LoginStart"]
