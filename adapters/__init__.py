"""The outside world, one file per counterpart. Outgoing HTTP lives here and nowhere else."""

from adapters.data_owners import DataOwner, ExchangeOwner, OwnerRow, open_data_owners
from adapters.government_login import GovernmentLogin, LoginStart
from adapters.health_gate import Health, HealthGate

__all__ = [
    "DataOwner",
    "ExchangeOwner",
    "GovernmentLogin",
    "Health",
    "HealthGate",
    "LoginStart",
    "OwnerRow",
    "open_data_owners",
]
