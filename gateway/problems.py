"""Errors as HTTP: one table from the stable reasons of `core.errors` to problem documents (RFC 9457).

A reason missing here would be answered by its class's last row; a test keeps the table complete.
"""

import html
from dataclasses import dataclass
from typing import Any

import orjson

from core.errors import (
    Conflict,
    HubError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    Refused,
    TooManyRequests,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    title_en: str
    advice: str
    """what to do about it"""
    advice_en: str


def _p(status: int, title: str, title_en: str, advice: str, advice_en: str) -> Problem:
    return Problem(status, title, title_en, advice, advice_en)


# fmt: off
PROBLEMS: dict[str, Problem] = {
    # --- the request cannot be read ---
    "malformed_json": _p(
        400, "请求体不是合法的 JSON", "The body is not valid JSON",
        "请按接口文档以 UTF-8 编码发送 JSON 对象。", "Send a JSON object in UTF-8, as the interface guide says.",
    ),
    "fields_invalid": _p(
        400, "没有这样的数据项", "There is no such field",
        "errors 列出不认识的数据项；各信息项目的数据项见 /v1/catalogue。",
        "`errors` names them; the fields of each data set stand in /v1/catalogue.",
    ),
    "question_invalid": _p(
        400, "查询条件不完整或类型不对", "The question is incomplete or of the wrong type",
        "请检查 consent_id、uscc、purpose 三项。", "Check consent_id, uscc and purpose.",
    ),
    "request_invalid": _p(
        400, "请求内容有误", "The request is not valid",
        "请按 errors 中列出的字段逐项改正。", "Correct the fields that errors names.",
    ),
    "statements_invalid": _p(
        400, "核验的陈述有误", "The statements to verify are not acceptable",
        "请按 errors 逐条改正；金额只能与公开刻度上的数比较，errors 给出最近的两个。",
        "Correct what errors names; a figure is compared with bounds of the public scale only, two are named there.",
    ),
    "uscc_invalid": _p(
        400, "统一社会信用代码有误", "Not a valid unified social credit code",
        "请核对 18 位代码及其校验位（GB 32100-2015），勿使用旧注册号。",
        "Check the 18 characters and the check digit (GB 32100-2015); old registration numbers are not accepted.",
    ),
    "purpose_unknown": _p(
        400, "没有这种用途", "No such purpose",
        "可用的用途见 /v1/catalogue。", "/v1/catalogue lists the purposes.",
    ),
    "granted_more": _p(
        400, "同意的内容不能超出申请", "No more than what was asked can be granted",
        "可以少选数据、缩短期限、减少次数；多人签署时，后来的人只能同意或不同意。",
        "Choose fewer data sets, a shorter term or fewer uses; who comes second can only agree or not.",
    ),
    "supersedes_invalid": _p(
        400, "要变更的授权不对", "The consent to amend is not right",
        "supersedes 应当是贵机构从同一家企业取得的、有效或已暂停的授权。",
        "`supersedes` names a consent of yours from the same enterprise that is active or paused.",
    ),
    "mandate_invalid": _p(
        400, "委派的内容有误", "The mandate is not acceptable",
        "请按 errors 中列出的项目改正。", "Correct what errors names.",
    ),
    "approvals_needed": _p(
        400, "签署人数有误", "The number of signatories is not acceptable",
        "请填 1 到 5 人。", "From 1 to 5 persons.",
    ),
    "consent_terms": _p(
        400, "授权申请的内容有误", "The terms of the consent request are not acceptable",
        "请按 errors 中列出的字段逐项改正。", "Correct the fields that errors names.",
    ),
    "signed_form_file": _p(
        400, "授权书文件不能接收", "The file of the signed form cannot be taken",
        "请按 errors 改正：只收看得清的 PDF、JPEG 或 PNG，不得加密，不得含脚本、动作或附件。",
        "`errors` says why: a readable PDF, JPEG or PNG, not encrypted, without scripts, actions or attachments.",
    ),
    "idempotency_key_missing": _p(
        400, "缺少 Idempotency-Key 请求头", "The Idempotency-Key header is missing",
        "每个新问题请带一个新的、不超过 255 个可见字符的键；重试时用同一个键。",
        "Send a new key of 1 to 255 visible ASCII characters with each new question, and the same key with a retry.",
    ),
    "actor_missing": _p(
        400, "没有写明由谁操作", "It is not said who does it",
        "请写明操作人。", "Say who does it.",
    ),
    "too_large": _p(
        413, "请求体过大", "The body is too large",
        "单次查询的请求体不超过 16 KB，授权书文件不超过 8 MB。",
        "A question has at most 16 kB, the file of a signed form at most 8 MB.",
    ),
    "redirect_uri": _p(
        400, "回跳地址不可用", "Not a usable redirect address",
        "须为 https 完整地址，不带片段；只有本机回环地址可用 http。",
        "Give a full https address without a fragment; http only for a loopback address.",
    ),
    "jwks": _p(400, "公钥集有误", "Not a usable key set", "请提供只含公钥的 JWKS。", "Hand over a JWKS of public keys."),
    # --- who asks is not proven ---
    "token_missing": _p(
        401, "缺少访问令牌", "No access token",
        "请先在 /oauth/token 取得令牌，再以 Authorization 请求头发送。",
        "Get a token at /oauth/token and send it in the Authorization header.",
    ),
    "token_invalid": _p(
        401, "访问令牌无效", "The access token is not valid",
        "请在 /oauth/token 重新取得令牌。", "Get a new token at /oauth/token.",
    ),
    "token_expired": _p(
        401, "访问令牌已过期", "The access token has expired",
        "令牌有效期不超过 300 秒，请重新取得。", "Tokens live at most 300 seconds; get a new one.",
    ),
    "token_revoked": _p(
        401, "访问令牌已撤销", "The access token was revoked",
        "请在 /oauth/token 重新取得令牌。", "Get a new token at /oauth/token.",
    ),
    "nonce_required": _p(
        401, "DPoP 证明缺少有效的 nonce", "The DPoP proof lacks a fresh nonce",
        "请以答复头 DPoP-Nonce 的值为 nonce，重新签一个证明后重试（RFC 9449 §8）。",
        "Sign a new proof with the nonce in this answer's DPoP-Nonce header and retry (RFC 9449 §8).",
    ),
    "proof_missing": _p(
        401, "缺少 DPoP 证明", "The DPoP proof is missing",
        "此令牌绑定了 DPoP 密钥：每次调用请附一个新的 DPoP 证明（RFC 9449）。",
        "This token is bound to a DPoP key: send a fresh DPoP proof with each call (RFC 9449).",
    ),
    "proof_invalid": _p(
        401, "DPoP 证明无效", "The DPoP proof is not valid",
        "请检查 htm、htu、iat、ath 与签名；本机时钟最多慢 60 秒、快 10 秒。",
        "Check htm, htu, iat, ath and the signature; your clock may be 60 seconds slow or 10 seconds fast.",
    ),
    "proof_replayed": _p(
        401, "DPoP 证明已被使用过", "The DPoP proof was used before",
        "每个证明只能用一次：请以新的 jti 重新签名后重试。", "A proof works once: sign a new one with a new jti and retry.",
    ),
    "proof_of_another_key": _p(
        401, "令牌与证明的密钥不符", "The token is bound to another key",
        "请用取得此令牌时的密钥签 DPoP 证明。", "Sign the proof with the key that the token was issued to.",
    ),
    "certificate_of_another": _p(
        401, "令牌与客户端证书不符", "The token is bound to another certificate",
        "请在取得此令牌时所用的双向 TLS 证书的连接上使用它。",
        "Use the token over mutual TLS with the certificate it was issued to.",
    ),
    # --- understood, and the answer is no ---
    "no_rule": _p(
        403, "该用途不可查询此数据", "No sharing rule lets this data out for this purpose",
        "请核对用途；各用途可见的数据见 /v1/catalogue。", "Check the purpose; /v1/catalogue shows what each may see.",
    ),
    "mode_not_offered": _p(
        403, "该信息项目不以此方式提供", "The data set is not offered in this mode",
        "各信息项目的共享方式见 /v1/catalogue。", "/v1/catalogue shows the modes of each data set.",
    ),
    "subject_not_caller": _p(
        403, "只能为本机构自己询问", "You can ask for yourself only",
        "subject.type 填 participant，subject.id 填贵机构的编号。",
        "Give subject.type participant and your own participant id as subject.id.",
    ),
    "consent_missing": _p(
        403, "没有写明凭哪一份授权", "No consent is named",
        "没有授权就没有数据：请在 context.consent_id 写明授权。",
        "No consent, no data: name the consent in context.consent_id.",
    ),
    "rule_set_own_draft": _p(
        403, "不能批准自己起草的规则", "Nobody approves rules of their own drafting",
        "请由另一人批准。", "Let another person approve it.",
    ),
    "consent_revoked": _p(
        403, "企业已撤回授权", "The enterprise revoked its consent",
        "请停止查询；如仍需要，请重新发起授权申请。", "Stop asking; file a new consent request if you still need it.",
    ),
    "consent_expired": _p(
        403, "授权已到期", "The consent has expired",
        "请重新发起授权申请。", "File a new consent request.",
    ),
    "consent_used_up": _p(
        403, "授权的查询次数已用完", "All uses of the consent are spent",
        "请重新发起授权申请。", "File a new consent request.",
    ),
    "consent_used_up_today": _p(
        403, "授权今天的查询次数已用完", "The consent's uses of this day are spent",
        "请明天（北京时间）再查，或申请变更授权。", "Ask again tomorrow (China's time), or ask for an amendment.",
    ),
    "consent_used_up_this_month": _p(
        403, "授权本月的查询次数已用完", "The consent's uses of this month are spent",
        "请下月再查，或申请变更授权。", "Ask again next month (China's time), or ask for an amendment.",
    ),
    "consent_data_range": _p(
        403, "授权不包括这么早的数据", "The consent does not reach back to these data",
        "授权规定了数据起始月份，更早的数据不提供。", "The consent names the month from which on data may be seen.",
    ),
    "consent_paused": _p(
        403, "企业已暂停授权", "The enterprise paused its consent",
        "请等待企业恢复授权。", "Wait until the enterprise resumes it.",
    ),
    "consent_rejected": _p(
        403, "企业未同意授权", "The enterprise rejected the request",
        "请与企业沟通后重新申请。", "Talk to the enterprise before you ask again.",
    ),
    "consent_awaiting": _p(
        403, "授权尚待企业确认", "The enterprise has not answered yet",
        "请等待企业同意；状态见 GET /v1/consent-requests/{id}。",
        "Wait for its answer; GET /v1/consent-requests/{id} shows the state.",
    ),
    "consent_partially_approved": _p(
        403, "授权尚待其余签署人确认", "Not every approver has agreed yet",
        "请等待企业全部签署人同意。", "Wait for the other approvers.",
    ),
    "consent_draft": _p(
        403, "授权申请尚未提交", "The request was not submitted", "请先提交申请。", "Submit it first.",
    ),
    "consent_superseded": _p(
        403, "授权已被新的授权取代", "A newer consent replaced this one",
        "请使用新的授权。", "Use the newer consent.",
    ),
    "consent_outside_token": _p(
        403, "令牌只能用于另一份授权", "The token was given for another consent",
        "这个令牌随某一份授权签发，只能用于那一份；其他授权请用 client_credentials 取得的令牌。",
        "This token came with one consent and is good for that one only; use a client_credentials token for others.",
    ),
    "consent_of_another_enterprise": _p(
        403, "授权不属于所查企业", "The consent was given by another enterprise",
        "请核对 consent_id 与 uscc 是否对应。", "Check that consent_id and uscc belong together.",
    ),
    "consent_for_another_purpose": _p(
        403, "授权用途不符", "The consent was given for another purpose",
        "只能按企业同意的用途查询。", "Ask only for the purpose that the enterprise agreed to.",
    ),
    "consent_without_dataset": _p(
        403, "授权不含此数据", "The consent does not cover this data set",
        "请查询授权所列的数据，或另行申请。", "Ask for what the consent lists, or request more.",
    ),
    "verification_budget_spent": _p(
        403, "该数据项本月的核验额度已用完", "What may be verified of this field this month is spent",
        "每家机构与全部机构合计均有限额；未计费。请下月再核验，或请企业提供原件。",
        "One bank and all banks together have a limit; nothing was charged. Ask again next month, or see the original.",
    ),
    "not_your_work": _p(
        403, "这不是您的职责", "This is not your work",
        "三员各司其职：请由有此职责的操作员办理。", "The three roles are kept apart: ask an operator whose work it is.",
    ),
    "operator_session_required": _p(401, "请操作员先登录", "Operator, please log in", "请重新登录。", "Log in again."),
    "authorization_request_invalid": _p(
        400, "授权链接已失效", "This link from the bank is no longer good",
        "请回到银行的页面，重新发起授权；打开链接本身不会授权任何内容。",
        "Go back to the bank's page and begin again; opening a link grants nothing.",
    ),
    "session_required": _p(401, "请先登录", "Please log in", "请重新登录。", "Log in again."),
    "form_expired": _p(
        403, "页面已过期", "This page is out of date", "请返回上一页刷新后重试。", "Go back, reload and try again.",
    ),
    "may_not_approve": _p(
        403, "您的身份不能代表企业同意", "You may not say yes for this enterprise",
        "请由企业法定代表人登录后决定。", "Let the legal representative log in and decide.",
    ),
    "confirmation_required": _p(
        403, "请先确认是您本人", "Please confirm that it is you",
        "您添加过验证方式：请重新操作，并用它确认。", "You have a second factor: do it again and confirm with it.",
    ),
    "confirmation_failed": _p(
        403, "没有确认成功", "The confirmation did not succeed",
        "请再试一次，或换一种验证方式。", "Try again, or use another factor.",
    ),
    "login_not_fresh": _p(
        403, "请重新登录后再操作", "Please log in again for this",
        "没有添加验证方式时，敏感数据须在登录后十分钟内同意。",
        "Without a second factor, sensitive data can be agreed to within ten minutes of the log-in only.",
    ),
    "assurance_too_low": _p(
        403, "登录的实名等级不够", "The log-in is not sure enough of you",
        "同意提供敏感数据需要更高等级的实名登录，请换一种方式重新登录。",
        "To agree to sensitive data a stronger log-in is needed: log in again in another way.",
    ),
    "mandate_missing": _p(
        403, "您没有有效的委派", "You hold no mandate that lives",
        "请企业法定代表人登录本平台，在“经办人”页委派您。",
        "Let the legal representative log in and appoint you on the page for agents.",
    ),
    "mandate_too_narrow": _p(
        403, "超出了您的委派范围", "This is beyond your mandate",
        "请由法定代表人办理，或请其重新委派。", "Leave it to the legal representative, or ask for a wider mandate.",
    ),
    "only_legal_representative": _p(
        403, "只有法定代表人可以办理", "Only the legal representative may do this",
        "请由法定代表人登录后办理。", "Let the legal representative log in.",
    ),
    "signed_form_platforms_only": _p(
        403, "只有融资平台可以提交授权书", "Only a city platform hands in signed forms",
        "请由企业在线同意，或在申请时以 through 指明代为提交授权书的平台。",
        "Let the enterprise agree on the hub's page, or name the platform in `through` when you ask.",
    ),
    "signed_form_not_enough": _p(
        403, "仅凭授权书不能办理", "A signed form is not enough for this",
        "原因见 errors：涉及敏感数据、变更原授权、须多人签署或期限已过的，请由企业登录本平台在线同意。",
        "`errors` says why: for sensitive data, amendments, or where several must agree, the enterprise logs in.",
    ),
    "signed_form_unseen": _p(
        403, "您还没有看过这份授权书", "You have not looked at this form",
        "请先打开文件，逐项核对以后再通过。", "Open the file and compare it, then find it good.",
    ),
    # --- no such thing ---
    "signed_form_unknown": _p(
        404, "没有这份授权书", "No such signed form",
        "请从授权书审核的列表进入。", "Go by the list of signed forms.",
    ),
    "factor_unknown": _p(
        404, "没有这个验证方式", "There is no such factor",
        "它可能已经移除。", "It may have been removed.",
    ),
    "mandate_unknown": _p(
        404, "没有这份委派", "No such mandate",
        "请从经办人页面进入。", "Use the page for agents.",
    ),
    "consent_unknown": _p(
        404, "没有这份授权", "No such consent",
        "请核对 consent_id；只能使用授予本机构的授权。", "Check consent_id; only consents given to you can be used.",
    ),
    "dataset_unknown": _p(
        404, "没有这个数据集", "No such data set", "可查的数据集见 /v1/catalogue。", "/v1/catalogue lists the data sets.",
    ),
    "decision_unknown": _p(
        404, "没有这个决定，或不是贵机构的", "No such decision of yours",
        "请核对 decision_id；只能查本机构自己的查询。", "Check the decision_id; only your own calls are explained.",
    ),
    "resource_unknown": _p(
        404, "不认识这种资源", "No such kind of resource",
        "resource.type 只能是 dataset。", "resource.type is dataset.",
    ),
    "rule_set_unknown": _p(
        404, "没有这一版规则", "No such rule set",
        "请核对规则版本号。", "Check the id of the rule set.",
    ),
    "not_found": _p(404, "没有这个地址", "No such address", "接口文档见 /docs。", "The interface guide is at /docs."),
    "method_not_allowed": _p(
        405, "该地址不支持此方法", "Method not allowed", "接口文档见 /docs。", "The interface guide is at /docs.",
    ),
    # --- it contradicts what is there ---
    "factor_exists": _p(
        409, "已经添加过了", "It is there already",
        "手机验证器每人一个，换新的请先移除旧的；一把通行密钥只能添加一次。",
        "One authenticator app for each person, each passkey once; remove the old one first.",
    ),
    "mandate_state": _p(
        409, "这份委派已经撤销", "The mandate was revoked before",
        "请刷新后查看当前状态。", "Reload and look at its present state.",
    ),
    "consent_state": _p(
        409, "授权当前的状态不允许此操作", "The consent's state does not allow that",
        "请刷新后查看当前状态。", "Reload and look at its present state.",
    ),
    "signed_form_state": _p(
        409, "授权书当前的状态不允许此操作", "The signed form's state does not allow that",
        "同一申请同时只审核一份授权书，最多提交五份；每名审核员只审一次。请刷新后查看当前状态。",
        "One form of a request is reviewed at a time, five at most, by each operator once; look at its present state.",
    ),
    "signed_form_used": _p(
        409, "这份文件已用于另一项申请", "This file stands for another request",
        "一份授权书只对应一项申请：请提交为本申请签署的授权书。",
        "One form is for one request: hand in the one signed for this.",
    ),
    "rule_set_exists": _p(
        409, "这个版本号已有另一份规则", "That id belongs to another rule text",
        "规则一经起草即不再改动：请换一个版本号重新起草。", "A drafted text never changes: draft it under a new id.",
    ),
    "rule_set_state": _p(
        409, "这一版规则当前的状态不允许此操作", "The rule set's state does not allow that",
        "请查看它当前的状态。", "Look at its present state.",
    ),
    "idempotency_key_reused": _p(
        422, "Idempotency-Key 已用于另一个问题", "The Idempotency-Key was used for another question",
        "新问题请用新的键；重试请原样发送原来的请求。", "Use a new key for a new question; retry the very same request.",
    ),
    "record_withheld": _p(
        403, "该记录已停止提供", "The record is withheld now",
        "原来那次答复里有记录已被撤回或停止共享（如信用修复），重试不再给出；请用新的键查询现在的数据。",
        "A record of the earlier answer was withdrawn or is no longer shared (credit repair, say), so a retry does not"
        " give it again; ask with a new key for today's data.",
    ),
    "answer_not_reproducible": _p(
        410, "原答复已不能重现", "The earlier answer can no longer be reproduced",
        "共享规则或数据已更新：请用新的 Idempotency-Key 重新查询（按新的一次计量）。",
        "Rules or records have changed since: ask anew with a new Idempotency-Key (counted as a new question).",
    ),
    # --- not now ---
    "rate_exceeded": _p(
        429, "查询过于频繁", "Too many questions at once",
        "请按 Retry-After 所示的秒数后重试。", "Retry after the seconds in Retry-After.",
    ),
    "login_rate_exceeded": _p(
        429, "登录尝试过于频繁", "Too many attempts to log in",
        "请等一分钟再试。", "Wait a minute, then try again.",
    ),
    "database_away": _p(
        503, "数据库暂不可用，未提供数据", "The database is away; no data was handed over",
        "请用同一个 Idempotency-Key 重试，不会重复计费。",
        "Retry with the same Idempotency-Key; nothing is charged twice.",
    ),
    "too_busy": _p(
        503, "等候的查询过多，未提供数据", "Too many questions are waiting; no data was handed over",
        "请稍候用同一个 Idempotency-Key 重试；未计费。",
        "Retry in a moment with the same Idempotency-Key; nothing was charged.",
    ),
    "redis_away": _p(
        503, "防重放服务暂不可用", "Replay protection is away",
        "请稍后用新的 DPoP 证明与同一个 Idempotency-Key 重试；双向 TLS 通道不受影响。",
        "Retry soon with a new proof and the same Idempotency-Key; calls over mutual TLS go on.",
    ),
    "owner_away": _p(
        503, "数据的责任单位暂时没有答复，未提供数据", "The owner of the data does not answer; no data was handed over",
        "此数据须实时向责任单位查询。请稍候用同一个 Idempotency-Key 重试；未计费。",
        "It is asked from its owner each time. Retry in a moment with the same Idempotency-Key; nothing was charged.",
    ),
    "owner_answer_unusable": _p(
        502, "责任单位的答复无法使用，未提供数据", "The owner's answer cannot be used; no data was handed over",
        "平台已记录并会通知责任单位。请稍后用同一个 Idempotency-Key 重试；未计费。",
        "The hub has noted it for the owner. Retry later with the same Idempotency-Key; nothing was charged.",
    ),
    "login_failed": _p(
        401, "登录未成功", "The log-in did not succeed",
        "请返回重新登录；如仍失败请稍后再试。", "Go back and log in again.",
    ),
    "login_away": _p(
        503, "登录服务暂时没有答复", "The log-in service does not answer",
        "请稍后再试，或换一种方式登录。", "Try again later, or log in another way.",
    ),
    "licence_not_valid": _p(
        403, "电子营业执照已失效", "The business licence is not valid any more",
        "这张营业执照已吊销、注销、暂停或过期；如有疑问请向登记机关查询。",
        "It was revoked, cancelled or suspended, or has expired; ask the registration authority.",
    ),
    "transfer_limit": _p(
        403, "打款次数已达上限", "No more transfers to this enterprise for now",
        "每家企业 24 小时内最多 3 次、30 天内最多 10 次，请以后再试。",
        "At most 3 in 24 hours and 10 in 30 days for one enterprise; try again later.",
    ),
    "transfer_away": _p(
        503, "打款服务暂时没有答复", "The transfer service does not answer",
        "请稍后刷新查看。", "Look again later.",
    ),
    "transfer_state": _p(
        409, "这笔打款当前的状态不允许此操作", "The transfer does not allow this in its present state",
        "请刷新后查看当前状态。", "Reload and look at its present state.",
    ),
    "transfer_unknown": _p(
        404, "没有这笔打款", "There is no such transfer",
        "请从身份核验页面进入。", "Use the identity page.",
    ),
    "account_invalid": _p(
        400, "账号有误", "Not an account number",
        "请填写对公账户的账号，8 到 32 位数字。", "Give the number of the corporate account, 8 to 32 digits.",
    ),
    "amount_invalid": _p(
        400, "金额有误", "Not an amount",
        "请以元为单位填写收到的金额，如 3.27。", "Give the amount received in yuan, such as 3.27.",
    ),
    "database_role": _p(
        503, "数据库权限配置有误", "The database rights are not set up right",
        "请联系运行人员。", "Tell the operator.",
    ),
    "internal": _p(
        500, "平台内部错误，未提供数据", "Internal error; no data was handed over",
        "请用同一个 Idempotency-Key 重试；如仍失败，请把 trace_id 告知平台。",
        "Retry with the same Idempotency-Key; if it fails again, tell us the trace_id.",
    ),
}
# fmt: on

BY_CLASS: dict[type[HubError], str] = {
    InvalidInput: "request_invalid",
    NotAuthenticated: "token_invalid",
    Refused: "no_rule",
    NotFound: "not_found",
    Conflict: "consent_state",
    TooManyRequests: "rate_exceeded",
    Unavailable: "database_away",
}

# What an outsider must not learn: whether a consent of somebody else exists.
DISGUISED = {"consent_of_another_participant": "consent_unknown"}


def slug(reason: str) -> str:
    return reason.replace("_", "-")


def public_reason(error: HubError) -> str:
    """The reason as the caller may know it."""
    reason = DISGUISED.get(error.reason, error.reason)
    if reason in PROBLEMS:
        return reason
    return next((name for kind, name in BY_CLASS.items() if isinstance(error, kind)), "internal")


def problem_document(error: HubError, trace_id: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Status, body and extra headers of the answer to an expected failure."""
    reason = public_reason(error)
    problem = PROBLEMS[reason]
    document: dict[str, Any] = {
        "type": f"/problems/{slug(reason)}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.advice,
        "title_en": problem.title_en,
        "detail_en": problem.advice_en,
        "trace_id": trace_id,
        **{key: value for key, value in error.facts.items() if key in ("decision_id", "errors")},
    }
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    if problem.status == 401 or reason == "consent_outside_token":
        headers.append((b"www-authenticate", _challenge(reason)))
    if isinstance(error, TooManyRequests):
        headers.append((b"retry-after", str(max(1, round(error.retry_after_seconds))).encode()))
    if problem.status == 503:
        headers.append((b"retry-after", b"1"))
    return problem.status, orjson.dumps(document), headers


CHALLENGES = {"nonce_required": b"use_dpop_nonce", "consent_outside_token": b"insufficient_scope"}


def _challenge(reason: str) -> bytes:
    """RFC 9449 §7.1, RFC 6750 §3."""
    if reason == "token_missing":
        return b'DPoP algs="ES256"'
    error = CHALLENGES.get(reason, b"invalid_dpop_proof" if reason.startswith("proof_") else b"invalid_token")
    return b'DPoP error="%s", algs="ES256"' % error


def problem_page() -> str:
    """Every problem type with its meaning, at ``/problems``: what ``type`` points to."""
    rows = "".join(
        f'<tr id="{slug(reason)}"><td><code>{slug(reason)}</code></td><td>{p.status}</td>'
        f"<td>{html.escape(p.title)}<br>{html.escape(p.advice)}</td>"
        f"<td>{html.escape(p.title_en)}<br>{html.escape(p.advice_en)}</td></tr>"
        for reason, p in PROBLEMS.items()
    )
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width"><title>错误说明 · 信易枢纽</title><link rel="stylesheet" '
        'href="/static/portal.css"><link rel="icon" href="/static/favicon.svg"><main class="wide">'
        '<h1>错误说明 <small lang="en">Problems</small></h1>'
        '<div class="scroll" tabindex="0" role="region" aria-label="错误说明 Problems"><table>'
        '<thead><tr><th>type<th>HTTP<th>说明<th lang="en">Meaning</thead>'
        f"<tbody>{rows}</tbody></table></div></main></html>"
    )
