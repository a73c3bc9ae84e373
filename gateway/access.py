"""Who may call an endpoint, declared in its signature: `BankCaller` for banks' routes; without one it is public."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.hub import Hub
from gateway.oauth.bearer import Caller
from gateway.queries.admission import Knock
from gateway.queries.door import credentials_of


async def running_hub(request: Request) -> Hub:
    """Not a plain function: FastAPI would send that to a thread, for every request."""
    hub: Hub = request.app.state.hub
    return hub


HubDep = Annotated[Hub, Depends(running_hub)]


async def bank_caller(request: Request, hub: HubDep) -> Caller:
    """The proven caller of an ordinary route, within its rate. The question route does the same in `answer`."""
    headers = dict(request.scope["headers"])
    credentials = credentials_of(request.scope, headers, hub.settings.certificate_header_from)
    caller = hub.doorkeeper.who_asks(credentials, request.method, request.url.path)
    await hub.admission.admit(Knock(f"rate:{caller.participant_id}:", caller.replay_key))
    return caller


BankCaller = Annotated[Caller, Depends(bank_caller)]
