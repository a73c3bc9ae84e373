"""The phrases of the QR page, on top of the portal's."""

from collections.abc import Mapping

from gateway.portal.words import WORDS as PORTAL
from gateway.portal.words import Phrase

OWN: Mapping[str, Phrase] = {
    "qr_waiting_title": Phrase("请企业扫码答复授权申请", "Scan to answer the request"),
    "qr_waiting_lead": Phrase(
        "请企业的法定代表人或受托经办人用自己的手机扫码，以政务服务网法人账号登录，看清内容后决定同意或不同意。",
        "Let the company's legal representative or agent scan this with their own phone, log in with the government "
        "account, read what is asked, and decide.",
    ),
    "qr_picture": Phrase("打开授权申请的二维码", "QR code that opens the request"),
    "qr_until": Phrase("{until} 前有效", "Good until {until}"),
    "qr_link": Phrase("不便扫码时，也可以打开这个地址：", "Without a camera, open this address:"),
    "qr_others": Phrase(
        "二维码里没有企业信息。银行工作人员不能代为登录或点同意。",
        "The code says nothing about the company. Bank staff cannot log in or agree in its place.",
    ),
    "qr_expired_title": Phrase("二维码已过期", "This QR code has expired"),
    "qr_expired_lead": Phrase(
        "企业没有在期限内答复，这项申请已经失效。请在银行系统里重新发起申请，取得新的二维码。",
        "The request was not answered in time. File a new one in the bank's system to get a new code.",
    ),
    "qr_settled_title": Phrase("这项申请已经答复", "This request has been answered"),
    "qr_settled_lead": Phrase(
        "二维码已用完。结果请在银行系统里查看；企业可以登录本平台查看或撤回自己的授权。",
        "The code has done its work. The bank sees the answer in its own system; the company can log in here to see "
        "or take back its consents.",
    ),
}
WORDS: Mapping[str, Phrase] = {**PORTAL, **OWN}
