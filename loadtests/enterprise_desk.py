"""An enterprise: logs in, reads its inbox, approves, looks who looked, takes its consent back. In a browser."""

import re
from collections.abc import Mapping
from typing import Any

from locust.env import Environment

from loadtests.market import BANK_NAME, Consent, Market
from loadtests.measured import MeasuredBrowser, MeasuredTransport, expect
from sandbox.browser import Page

WHO = "enterprise"

REQUEST = re.compile(r"/portal/requests/([0-9a-f-]{36})$")


class EnterpriseDesk:
    """One person with one browser, acting for one enterprise. `PageError` when a page is not as it must be."""

    def __init__(self, environment: Environment, market: Market, enterprise: Mapping[str, Any]) -> None:
        self._hub = str(environment.host)
        self._market = market
        self._enterprise = enterprise
        self._browser = MeasuredBrowser(MeasuredTransport(environment, WHO))
        self.uscc = str(enterprise["uscc"])

    def log_in(self) -> None:
        """From the portal to the government log-in, find one's own enterprise there, and back."""
        page = self._browser.open(f"{self._hub}/portal/login")
        page = self._browser.submit(page, page.form_to("/log-in"), q=str(self._enterprise["name"]))
        form = page.form_to("/log-in")
        mine = next((button for button in form.buttons if button.get("value") == self.uscc), None)
        expect(mine, "the log-in does not know this enterprise")
        page = self._browser.submit(page, form, mine)
        expect(page.url.startswith(self._hub), "the log-in does not lead back")

    def read_inbox(self) -> None:
        """Approve whatever waits there."""
        waiting = {one.consent_id: one for one in self._market.consents if one.state == "awaiting"}
        page = self._browser.open(f"{self._hub}/portal/requests")
        for link in dict.fromkeys(page.links):
            found = REQUEST.search(link)
            if found and found[1] in waiting:
                expect(waiting[found[1]].uscc == self.uscc, "a request to another enterprise in the inbox")
                self.approve(waiting[found[1]])

    def approve(self, consent: Consent) -> None:
        page = self._press(consent, "approve")
        expect(BANK_NAME in page.text, "the approved request does not name the bank")
        consent.state = "active"

    def revoke(self, consent: Consent) -> None:
        consent.revoking = True
        self._press(consent, "revoke")
        consent.state = "revoked"

    def look_who_looked(self) -> None:
        page = self._browser.open(f"{self._hub}/portal/disclosures")
        expect("谁看了我的数据" in page.text, "the page does not say what it is")

    def _press(self, consent: Consent, what: str) -> Page:
        """Open the page of a request and press the button that goes to …/approve or …/revoke."""
        page = self._browser.open(consent.approval_url)
        form = page.form_to(f"/portal/requests/{consent.consent_id}/{what}")
        expect(form.method == "post" and form.has("csrf"), f"{what} is no form of our own page")
        return self._browser.submit(page, form, form.buttons[0] if form.buttons else None)
