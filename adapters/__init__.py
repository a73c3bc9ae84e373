"""The outside world, one file per counterpart. Outgoing HTTP lives here and nowhere else."""

from adapters.data_owners import DataOwner, ExchangeOwner, OwnerRow, exchange_keys, open_data_owners
from adapters.government_login import GovernmentLogin, LoginStart
from adapters.health_gate import Health, HealthGate
from adapters.webhooks import Outcome, WebhookSender, open_sender, standard_headers, written_secret

__all__ = [
    "DataOwner",
    "ExchangeOwner",
    "GovernmentLogin",
    "Health",
    "HealthGate",
    "LoginStart",
    "Outcome",
    "OwnerRow",
    "WebhookSender",
    "exchange_keys",
    "open_data_owners",
    "open_sender",
    "standard_headers",
    "written_secret",
]
