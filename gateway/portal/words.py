"""Every phrase of the portal's pages, in Chinese and English, and how a page says dates and numbers.

Chinese is what counts: the sentences that are signed (`consent.notice`) exist in Chinese only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NamedTuple, get_args

from core.clock import CHINA, china_day
from gateway.problems import PROBLEMS

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Phrase(NamedTuple):
    zh: str
    en: str
    en_one: str = ""
    """where English says it differently when ``n`` is 1"""


def _(zh: str, en: str, en_one: str = "") -> Phrase:
    return Phrase(zh, en, en_one)


WORDS: Mapping[str, Phrase] = {
    # --- on every page ---
    "hub": _("信易枢纽", "Xinyi Hub"),
    "hub_of": _("全国融资信用服务平台 · 江苏省级节点", "Jiangsu Financing-Credit Platform"),
    "skip": _("跳到正文", "Skip to the content"),
    "pages": _("本站页面", "Pages"),
    "nav_requests": _("授权申请", "Requests"),
    "nav_agents": _("经办人", "Agents"),
    "nav_disclosures": _("谁看了我的数据", "Who looked"),
    "nav_news": _("通知", "Notices"),
    "other_language": _("English", "中文"),
    "log_out": _("退出", "Log out"),
    "signed_in": _("{name}已登录", "{name} is logged in"),
    "footer_promise": _(
        "没有您的同意，平台不提供您的数据。企业使用本平台不收费。",
        "Without your consent the platform hands out none of your data. Enterprises pay nothing.",
    ),
    "footer_time": _("页面上的时间都是北京时间。", "All times are China Standard Time."),
    "footer_catalogue": _("平台有哪些数据、谁能看到什么", "Which data there are, and who sees what"),
    "list": _("、", ", "),
    "back_to_requests": _("返回授权申请", "Back to the requests"),
    # --- welcome ---
    "welcome_title": _("企业数据授权", "Consent to share your company's data"),
    "welcome_heading": _("谁能看您企业的数据，由您决定", "You decide who sees your company's data"),
    "welcome_lead": _(
        "银行审批贷款时，想看贵企业的登记、纳税等信息，要先在这里向您申请。您看清楚、点了同意，它才能看；随时可以撤回。",
        "A bank that wants to see your registration or tax data for a loan has to ask you here first. "
        "It sees them only after you read the request and agree, and you can take it back at any time.",
    ),
    "log_in": _("用政务服务网法人账号登录", "Log in with your government legal-person account"),
    "log_in_licence": _("用电子营业执照登录", "Log in with the electronic business licence"),
    "log_in_hint_ways": _(
        "将转到江苏政务服务网或电子营业执照核验身份。密码只在那里输入，本平台看不到。",
        "Your identity is checked there; your password is typed there only, this platform never sees it.",
    ),
    "log_in_hint": _(
        "将转到江苏政务服务网核验身份。密码只在那里输入，本平台看不到。",
        "You will be taken to the Jiangsu government service network. You type your password there only; we never see it.",
    ),
    "welcome_for_request": _(
        "有一份授权申请等您查看，登录后直接打开。", "A request waits for you; it opens after you log in."
    ),
    "welcome_session_over": _(
        "为了您的安全，20 分钟没有操作就会自动退出。请重新登录。",
        "For your safety you are logged out after 20 minutes without a click. Please log in again.",
    ),
    "welcome_cancelled": _(
        "登录已取消，没有发生任何变化。", "The log-in was cancelled; nothing has changed."
    ),
    "welcome_logged_out": _("您已安全退出。", "You are logged out."),
    # --- who the person is, and how sure that is ---
    "identity_title": _("身份核验", "Who you are"),
    "identity_lead": _(
        "您怎样登录，决定了您能代表企业同意哪些数据。",
        "How you logged in decides to which data you may agree for the enterprise.",
    ),
    "back_to_request": _("返回这份申请", "Back to the request"),
    "identity_now": _("您这次登录", "This log-in"),
    "identity_way": _("登录方式", "Way in"),
    "identity_level": _("实名等级", "Assurance"),
    "identity_level_high": _("高", "High"),
    "identity_level_low": _("一般", "Ordinary"),
    "identity_enough": _("可以同意各类数据，包括敏感数据。", "Enough for all data, sensitive ones included."),
    "identity_not_enough": _(
        "可以同意一般数据。申请里有敏感数据（如纳税、社保的金额）时，要先提高等级。",
        "Enough for ordinary data. A request for sensitive data (such as amounts of tax) needs a higher level first.",
    ),
    "identity_stronger_login": _(
        "提高等级：退出后改用政务服务网登录，或用电子营业执照时选刷脸；也可以用下面的对公打款核验。",
        "To raise it: log in through the government service network, or show your face for the licence. "
        "A bank transfer does it, too.",
    ),
    "way_government_login": _("政务服务网", "Government service network"),
    "way_business_licence": _("电子营业执照", "Electronic business licence"),
    "way_bank_transfer": _("对公打款核验", "Bank transfer"),
    "transfer_heading": _("对公打款核验", "Proof by bank transfer"),
    "transfer_lead": _(
        "平台向“{name}”的对公账户打一笔小额款项（不到 10 元，不用退还）。您查到金额填回来，等级就提高，一年内有效。",
        "We send a small amount (less than 10 yuan, yours to keep) to the corporate account of {name}. "
        "Look it up and tell us the amount: that raises your level for a year.",
    ),
    "transfer_bank": _("开户银行", "Bank and branch"),
    "transfer_account": _("对公账号", "Account number"),
    "transfer_account_hint": _(
        "户名必须是营业执照上的名称。账号只用于这次打款，平台只留后四位。",
        "The account must be in the name on the licence. We keep the last four digits only.",
    ),
    "transfer_send": _("给我打款", "Send the amount"),
    "transfer_waiting": _(
        "已向尾号 {tail} 的对公账户打款，附言是“信易枢纽 身份核验”。请在 {moment} 之前填写收到的金额。",
        "An amount is on its way to the account ending in {tail}. Please tell us before {moment} how much arrived.",
    ),
    "transfer_unheard": _(
        "打款服务暂时没有答复，款项可能稍后才到。",
        "The transfer service does not answer now; the amount may take longer.",
    ),
    "transfer_amount": _("收到的金额（元）", "Amount received (yuan)"),
    "transfer_amount_hint": _(
        "精确到分，如 3.27。还可以填 {n} 次。",
        "To the fen, such as 3.27. {n} tries left.",
        "To the fen, such as 3.27. One try left.",
    ),
    "transfer_amount_send": _("核对金额", "Check the amount"),
    "transfers_heading": _("打款记录", "Transfers"),
    "transfers_lead": _(
        "本企业的全部打款核验，不论由谁发起。有不是您认可的，请尽快查明账户由谁使用。",
        "All of your enterprise, whoever asked for them. If you do not know one, find out who uses the account.",
    ),
    "transfer_tail": _("尾号 {tail}", "account ending in {tail}"),
    "transfer_waiting_state": _("等待填写金额", "Waiting for the amount"),
    "transfer_proven": _("核验通过，有效期至 {day}", "Proven, good until {day}"),
    "transfer_returned": _("款项被退回", "Came back"),
    "transfer_spent": _("填错三次，已作废", "Void after three wrong amounts"),
    "transfer_lapsed": _("没有按时填写，已作废", "Void: not answered in time"),
    "transfer_over": _("曾核验通过，{day}到期", "Was proven, ended on {day}"),
    "identity_ordered": _(
        "已打款。到账一般要几分钟，请在企业网银里查看。", "It was sent. It usually arrives within minutes."
    ),
    "identity_returned": _(
        "款项被退回：账号不对，或账户的户名不是本企业的名称。请核对后重新办理。",
        "It came back: the account number is wrong, or the account is in another name. Please check and begin again.",
    ),
    "identity_wrong": _("金额不对。", "That is not the amount."),
    "identity_proven": _("核验通过，您的实名等级已提高。", "Proven: your level is high now."),
    "identity_account_invalid": _("账号应为 8 到 32 位数字。", "An account number has 8 to 32 digits."),
    "identity_amount_invalid": _(
        "请以元为单位填写，如 3.27。这次不算填错。",
        "Please write it in yuan, such as 3.27. This did not count as a try.",
    ),
    "identity_transfer_away": _(
        "打款服务暂时没有答复，请过几分钟刷新本页。",
        "The transfer service does not answer. Please reload in some minutes.",
    ),
    "identity_transfer_limit": _(
        "打款次数已达上限（24 小时内 3 次，30 天内 10 次），请以后再试。",
        "No more transfers for now: at most 3 in 24 hours and 10 in 30 days.",
    ),
    "identity_transfer_state": _(
        "这笔打款已经有了结果，或已有一笔在等您填写。",
        "This transfer was settled, or another one waits for your amount.",
    ),
    "assurance_short": _(
        "这份申请里有敏感数据，您这次登录的实名等级还不够同意它。",
        "This request holds sensitive data; this log-in is not strong enough to agree to it.",
    ),
    "assurance_raise": _("提高实名等级", "Raise the level"),
    "point_clear": _("看得清", "Clear"),
    "point_clear_text": _(
        "谁要看、看哪几项、看到什么样、看多久，同意之前逐项列给您。",
        "Who asks, for which data, in what form and for how long: item by item, before you agree.",
    ),
    "point_control": _("管得住", "In your hands"),
    "point_control_text": _(
        "不同意，它就看不到。同意了也能随时撤回，撤回立即生效。",
        "If you say no, nothing is shown. If you said yes, you can take it back, with effect at once.",
    ),
    "point_trace": _("查得到", "On record"),
    "point_trace_text": _(
        "每一次查看都有记录，被拒绝的也有。谁、何时、看了什么，一目了然。",
        "Every look is recorded, refused ones too: who, when, and what was shown.",
    ),
    "faq": _("您可能想问", "You may want to know"),
    "faq_cost": _("要花钱吗？", "Does it cost anything?"),
    "faq_cost_text": _(
        "企业不付费。查询的费用由银行承担。", "Not for enterprises. The bank pays for what it looks at."
    ),
    "faq_no": _("不同意会怎样？", "What if I say no?"),
    "faq_no_text": _(
        "银行看不到您的数据，不影响您使用本平台的其他服务。银行可能请您自己提交材料，或者因材料不足无法审批。",
        "The bank sees nothing, and you can go on using this platform. "
        "It may ask you for papers instead, or be unable to decide without them.",
    ),
    "faq_who": _("谁可以登录？", "Who can log in?"),
    "faq_who_text": _(
        "企业的法定代表人，用江苏政务服务网的法人账号或电子营业执照登录；经办人也可以登录，在法定代表人委派的范围内办理。",
        "The legal representative, with the legal-person account of the Jiangsu government service network or the "
        "electronic business licence; "
        "and agents, who act within the mandate that the legal representative gives them.",
    ),
    "faq_fraud": _("怎样防骗？", "How do I avoid fraud?"),
    "faq_fraud_text": _(
        "本平台不打电话、不发短信索要密码和验证码，也不收任何费用。要您转账、报验证码的都是骗子。",
        "We never ask for passwords or codes by telephone or message, and never for money. Whoever does is a fraud.",
    ),
    # --- the inbox ---
    "requests_title": _("授权申请", "Requests for your consent"),
    "waiting_heading": _("等您答复", "Waiting for your answer"),
    "waiting_count": _("{n} 份", "{n} requests", "1 request"),
    "waiting_none": _("现在没有等您答复的申请", "No request waits for your answer"),
    "waiting_none_text": _(
        "银行向您申请查看数据时，会显示在这里。",
        "When a bank asks to see your data, the request appears here.",
    ),
    "wants_to_see": _("想看", "Wants to see"),
    "used_for": _("用途", "Purpose"),
    "term": _("期限", "Term"),
    "term_value": _("{days} 天内最多 {uses} 次", "{days} days, at most {uses} looks"),
    "answer_before": _("请在{day}前答复", "Please answer by {day}"),
    "look_and_answer": _("查看并答复", "Read and answer"),
    "others_heading": _("我的授权", "My consents"),
    "others_none": _("还没有授权过任何机构。", "You have not given any consent yet."),
    "uses_were": _("用过 {n} 次", "{n} looks taken", "1 look taken"),
    "uses_left_of": _("剩余 {left} / {most} 次", "{left} of {most} looks left"),
    "valid_until": _("有效至{day}", "Valid until {day}"),
    "asked_on": _("{day}申请", "Asked on {day}"),
    "more_requests": _("更多申请", "More requests"),
    "first_requests": _("回到最急的", "Back to the first"),
    "older_consents": _("更早的授权", "Older consents"),
    "first_page": _("回到最新", "Back to the newest"),
    "days_left": _("还剩 {n} 天", "{n} days left", "1 day left"),
    "today_last": _("今天截止", "last day today"),
    # --- one request ---
    "request_title": _("授权申请：{name}", "Request: {name}"),
    "request_heading": _("{name}想查看贵企业的数据", "{name} asks to see your company's data"),
    "consent_heading": _("{name}的授权", "Consent for {name}"),
    "asked_in_short": _("申请要点", "In short"),
    "who_asks": _("谁来看", "Who asks"),
    "what_data": _("看什么", "Which data"),
    "what_for": _("做什么用", "What for"),
    "how_long": _("看多久", "How long"),
    "how_long_value": _("自您同意之日起 {days} 天", "{days} days from the day you agree"),
    "how_often": _("看几次", "How often"),
    "how_often_value": _("最多 {n} 次", "At most {n} times", "Once at most"),
    "how_kept": _("留多久", "How long kept"),
    "how_kept_value": _("最多保存 {n} 天，到期应当删除", "At most {n} days, then it must be deleted"),
    "message_from": _("{name}的留言", "Message from {name}"),
    "message_note": _("由对方填写，平台未核实。", "Written by them, not checked by the platform."),
    "preview_heading_bank": _("银行将看到的样子", "What the bank will see"),
    "preview_heading_platform": _("平台将看到的样子", "What the platform will see"),
    "to_decision": _("直接去答复", "Go to the answer"),
    "to_revoke": _("撤回授权", "Take it back"),
    "preview_lead": _(
        "下面逐项列出每个数据怎样给对方看。所示内容是举例，不是贵企业的真实数据。",
        "Item by item, how it is shown to them. The values are made-up examples, not yours.",
    ),
    "from_owner": _("数据来自{owner}", "From {owner}"),
    "records_many": _("按月提供，最多近 {n} 个月", "Month by month, at most the last {n}"),
    "records_some": _("最多 {n} 条记录", "At most {n} records", "One record"),
    "why": _("为什么", "Why"),
    "kind_withheld": _("不提供", "not shown"),
    "kind_withheld_text": _("这几项不给对方看", "They do not get to see these"),
    "kind_raw_text": _("对方看到原来的内容", "They see it as it is"),
    "kind_derived_text": _(
        "对方只看到计算出的结果，看不到明细", "They see the figure, not the records behind it"
    ),
    "kind_verify_text": _(
        "对方看不到内容，只能拿自己知道的来核对是否一致",
        "They see nothing; they may ask whether what they hold is right",
    ),
    "kind_banded_text": _("对方只看到大致范围，看不到具体数字", "They see a range, not the figure"),
    "kind_masked_text": _("对方只看到一部分，其余用星号遮住", "They see a part; the rest is starred out"),
    "preview_gone": _(
        "这一项现在没有共享规则，不会提供给对方。", "No sharing rule covers this now; nothing of it is shown."
    ),
    "notice_heading": _("您要签署的内容", "What you sign"),
    "notice_heading_signed": _("已签署的内容", "What was signed"),
    "notice_lead": _(
        "您点“同意”，签署的就是下面这几句话，一字不差。",
        "If you agree, you sign exactly the following sentences, in Chinese: who may look; at which data; "
        "for which purpose only; for how long and how often; how long the data may be kept; that you may "
        "revoke at any time, with effect at once, while data already handed over does not come back by itself; "
        "and that saying no does not affect your use of this platform.",
    ),
    "notice_lead_signed": _(
        "签署时的原文如下。平台已加上数字签名，改动一个字都能查出来。",
        "The original Chinese text as it was signed. The platform's digital signature reveals any change.",
    ),
    "decide_heading": _("您的决定", "Your decision"),
    "decide_lead": _(
        "同意后，{name}可在 {days} 天内最多 {uses} 次查看所列 {datasets} 类数据。您随时可以撤回。",
        "If you agree, {name} may look at the data listed ({datasets} kinds) for {days} days, at most {uses} times. "
        "You can take it back at any time.",
    ),
    "from_bank_note": _(
        "您是从{name}的页面来的，答复后会自动返回。",
        "You came from {name}; after your answer you are led back.",
    ),
    "from_bank_wait": _(
        "您是从{name}的页面来的。还要等其他签署人，全部答复后，请在本页返回。",
        "You came from {name}. Others have to answer too; after that, go back from this page.",
    ),
    "return_to_bank": _("返回{name}", "Back to {name}"),
    "approve": _("同意授权", "Agree"),
    "approve_less": _("同意以上内容", "Agree to this much"),
    "less_open": _("我只同意一部分", "I agree to less"),
    "less_again": _("再改一改", "Change it again"),
    "less_data": _("同意看哪些数据", "Which data they may see"),
    "less_days": _("看多少天（最多 {n} 天）", "For how many days (at most {n})"),
    "less_uses": _("最多看几次（不超过 {n} 次）", "How many looks (at most {n})"),
    "less_hint": _(
        "只能比申请的少，不能多。下一步给您看改好的内容，看清楚再签。",
        "It can only be less than asked. Next you see the changed text, and sign after reading it.",
    ),
    "less_show": _("看改好的内容", "Show the changed text"),
    "less_than_asked": _(
        "这里是您愿意同意的内容，少于申请。对方申请的是 {datasets} 类数据、{days} 天、{uses} 次。",
        "This is what you grant, less than was asked: {datasets} kinds of data, {days} days, {uses} looks.",
    ),
    "approvals_heading": _("签署情况", "Signatories"),
    "approvals_so_far": _("已有 {n} 人同意，共需 {needed} 人", "{n} of {needed} persons have agreed"),
    "approved_by_you": _(
        "您已经同意，正在等其他签署人。", "You have agreed; the others are still to answer."
    ),
    "role_legal_representative": _("法定代表人", "Legal representative"),
    "role_agent": _("经办人", "Agent"),
    "changes_heading": _("这是变更：有哪些不同", "An amendment: what changes"),
    "changes_lead": _(
        "同意后，取代您 {day}给它的授权，原授权同时失效。不同意，原授权照旧。",
        "If you agree, it takes the place of the consent you gave on {day}; if not, that one stays as it is.",
    ),
    "changes_old": _("看原授权", "See that consent"),
    "changes_none": _("内容与原授权相同。", "Nothing is different."),
    "change_comes": _("新增：{what}", "New: {what}"),
    "change_goes": _("不再看：{what}", "No longer: {what}"),
    "change_from_to": _("由 {before} 变为 {after}", "{before} becomes {after}"),
    "no_limit": _("不限", "no limit"),
    "changed_purpose": _("用途", "Purpose"),
    "changed_datasets": _("数据", "Data"),
    "changed_term_days": _("期限（天）", "Days"),
    "changed_uses_max": _("总次数", "Looks in all"),
    "changed_retention_days": _("保存期限（天）", "Kept for (days)"),
    "changed_uses_max_day": _("每天次数", "Looks a day"),
    "changed_uses_max_month": _("每月次数", "Looks a month"),
    "changed_data_from": _("数据起始月份", "Data from"),
    "how_often_day": _("每天最多 {n} 次", "At most {n} a day"),
    "how_often_month": _("每月最多 {n} 次", "At most {n} a month"),
    "how_far_back": _("看多早", "How far back"),
    "how_far_back_value": _("只看 {month} 及以后的数据", "Only data from {month} on"),
    "standing_used_up_today": _(
        "今天的次数已用完，明天恢复。", "The looks of today are used; tomorrow there are more."
    ),
    "standing_used_up_this_month": _(
        "本月的次数已用完，下月恢复。", "The looks of this month are used; next month there are more."
    ),
    "pause_heading": _("先停一停", "Stop for a while"),
    "pause_text": _(
        "暂停后立即停止提供，期限照样计算；随时可以恢复。",
        "Nothing is shown while it is paused; the term runs on. You can resume at any time.",
    ),
    "pause": _("暂停授权", "Pause the consent"),
    "resume_heading": _("恢复授权", "Resume"),
    "resume_text": _(
        "恢复后，对方又可以按原来的约定查看。", "They may look again, on the terms that you agreed to."
    ),
    "resume": _("恢复授权", "Resume the consent"),
    "see_new_consent": _("看新的授权", "See the new consent"),
    "reject": _("不同意", "Do not agree"),
    "reject_open": _("我不同意", "I do not agree"),
    "if_no": _("不同意会怎样", "What happens if I say no"),
    "if_no_text": _(
        "对方看不到任何数据，不影响您使用本平台的其他服务。它可能请您自己提交材料，或者因材料不足无法审批。",
        "They see nothing, and your use of this platform is not affected. "
        "They may ask you for papers instead, or be unable to decide without them.",
    ),
    "if_silent": _(
        "到期没有答复，申请自动失效，同样什么也不会提供。",
        "Without an answer the request lapses, and nothing is shown either.",
    ),
    "reason": _("原因（选填）", "Reason (optional)"),
    "reason_hint": _(
        "只记在授权记录里，不发给对方。", "Kept in the record of this consent; not sent to them."
    ),
    "status_heading": _("授权现状", "Where it stands"),
    "uses_left": _("剩余次数", "Looks left"),
    "uses_spent": _("已用 {spent} 次，共 {most} 次", "{spent} of {most} used"),
    "valid_period": _("有效期", "Valid"),
    "from_to": _("{first}至\u200b{last}", "{first} to {last}"),
    "see_looks": _("看它查了什么", "See what they looked at"),
    "download_artefact": _("下载签名凭证", "Download the signed record"),
    "download_artefact_sm2": _("下载含国密签名的凭证", "Download it with the SM2 signature too"),
    "artefact_hint": _(
        "带平台数字签名的授权凭证（JWS 文件），可自行保存，用平台公钥核验。",
        "The consent with the platform's digital signature (a JWS file), to keep and to check against the public key.",
    ),
    "revoke": _("撤回授权", "Take back the consent"),
    "revoke_open": _("我要撤回授权", "I want to take it back"),
    "revoke_now": _(
        "立即停止提供，对方再查会被拒绝。", "Nothing more is shown from now on; further attempts are refused."
    ),
    "revoke_past": _(
        "已经提供的数据不会自动收回，对方最多保存 {n} 天。",
        "What was already shown does not come back by itself; they may keep it for at most {n} days.",
    ),
    "revoke_loan": _(
        "对方可能因此暂停办理中的业务，请先与它联系。",
        "They may stop what they are doing for you: talk to them first.",
    ),
    "revoke_final": _(
        "撤回后不能恢复，需要时由对方重新申请。", "It cannot be undone; they would have to ask again."
    ),
    "revoke_confirm": _("确认撤回", "Take it back now"),
    "timeline_heading": _("经过", "What happened"),
    "consent_number": _("授权编号", "Consent number"),
    # --- states ---
    "state_draft": _("未提交", "Draft"),
    "state_awaiting": _("等您答复", "Waiting"),
    "state_partially_approved": _("部分签署", "Partly agreed"),
    "state_active": _("有效", "Active"),
    "state_paused": _("已暂停", "Paused"),
    "state_revoked": _("已撤回", "Taken back"),
    "state_expired": _("已到期", "Expired"),
    "state_used_up": _("次数用完", "Used up"),
    "state_superseded": _("已被取代", "Replaced"),
    "state_rejected": _("未同意", "Not agreed"),
    "state_draft_text": _("这份申请还没有提交给您。", "The request was not put to you yet."),
    "state_awaiting_text": _("您答复之前，对方看不到任何数据。", "Until you answer, they see nothing."),
    "state_partially_approved_text": _(
        "还需要其他签署人同意，在此之前对方看不到数据。",
        "Others still have to agree; until then they see nothing.",
    ),
    "state_active_text": _(
        "对方现在可以查看所列数据，每次都有记录。", "They may look at the data listed; each look is recorded."
    ),
    "state_paused_text": _("暂停期间，对方看不到数据。", "While it is paused, they see nothing."),
    "state_revoked_text": _("您已撤回，对方不能再查看。", "You took it back; they can look no more."),
    "state_given_up_text": _("对方放弃了授权，不能再查看。", "They gave it up and can look no more."),
    "state_expired_text": _("已过期限，对方不能再查看。", "Its time is over; they can look no more."),
    "state_used_up_text": _(
        "约定的次数已用完，对方不能再查看。", "All looks are used; they can look no more."
    ),
    "state_superseded_text": _("已有新的授权，这一份不再使用。", "A newer consent has taken its place."),
    "state_rejected_text": _("您没有同意，对方什么也没看到。", "You did not agree; they saw nothing."),
    "state_lapsed_text": _(
        "申请已失效：没有在期限内答复，或者对方撤回了。对方什么也没看到。",
        "The request has lapsed: not answered in time, or taken back. They saw nothing.",
    ),
    # --- what happened to a consent ---
    "event_submit": _("{name}提出申请", "{name} asked"),
    "event_hand_in": _("授权书已提交审核", "A signed form was handed in"),
    "event_send_back": _("授权书未通过审核", "The signed form was sent back"),
    "event_approve_in_part": _("一位签署人同意", "One signatory agreed"),
    "event_approve": _("贵企业同意，授权生效", "You agreed; the consent took effect"),
    "event_reject": _("贵企业没有同意", "You did not agree"),
    "event_pause": _("贵企业暂停授权", "You paused the consent"),
    "event_resume": _("贵企业恢复授权", "You resumed the consent"),
    "event_revoke": _("贵企业撤回授权", "You took the consent back"),
    "event_expire": _("到期，自动失效", "Time was over; it ended by itself"),
    "event_use_up": _("次数用完，自动失效", "All looks used; it ended by itself"),
    "event_supersede": _("由新的授权取代", "A newer consent took its place"),
    "event_given_up": _("{name}主动放弃了授权", "{name} gave the consent up"),
    "event_withdraw": _("{name}撤回了申请", "{name} took the request back"),
    "event_remind": _("提醒：授权快到期了", "Reminder: the consent ends soon"),
    "event_by_form": _("授权书通过审核，授权生效", "The signed form was accepted; the consent took effect"),
    "form_heading": _("有人以贵企业的名义提交了授权书", "A form signed in your name was handed in"),
    "form_heading_accepted": _("这份授权凭书面授权书生效", "This consent rests on a signed form"),
    "form_in_review_text": _(
        "{name}于{day}提交了授权书，本平台正在审核；两名审核员都通过后，授权即生效。您也可以现在就答复。",
        "{name} handed it in on {day} and it is being reviewed here; when two reviewers find it good, the consent begins. "
        "You may also answer yourself now.",
    ),
    "form_accepted_text": _(
        "{name}于{day}提交了授权书，本平台两名审核员分别核对后通过。没有人登录本平台办理。",
        "{name} handed it in on {day}, and two reviewers found it good. Nobody logged in for it.",
    ),
    "form_signed_on": _("签署日期", "Signed on"),
    "form_signatory": _("签署人", "Signed by"),
    "form_not_yours_reject": _("不是贵企业签的？请选择不同意。", "You did not sign it? Say no."),
    "form_not_yours_revoke": _("不是贵企业签的？请立即撤回。", "You did not sign it? Take it back at once."),
    "form_download": _("下载授权书", "Download the form"),
    "form_in_review_short": _(
        "{name}已提交书面授权书，正在审核", "{name} handed in a signed form; it is being reviewed"
    ),
    "form_accepted_short": _("凭书面授权书生效", "by a signed form"),
    "event_reason": _("原因：{reason}", "Reason: {reason}"),
    # --- what happened ---
    "news_title": _("通知", "Notices"),
    "news_lead": _(
        "授权上发生的事都在这里，最新的在前，不论是谁办的。要看谁查过数据：",
        "All that happened to your consents, whoever did it, the newest first. For the calls themselves:",
    ),
    "news_none": _("还没有通知", "Nothing has happened yet"),
    "news_new": _("新", "New"),
    "news_unread": _("有 {n} 条新通知", "{n} new notices"),
    "older_news": _("更早的通知", "Older notices"),
    # --- who looked ---
    "disclosures_title": _("谁看了我的数据", "Who looked at my data"),
    "disclosures_lead": _(
        "每次查询都在这里，被拒绝的也在。费用由查询的机构支付，贵企业不付费。",
        "Every call is here, refused ones too. The asking institution pays; your company pays nothing.",
    ),
    "chart_heading": _("最近 {n} 天", "The last {n} days"),
    "chart_text": _(
        "最近 {n} 天共查询 {all} 次：提供 {disclosed} 次，未查到 {nothing_found} 次，拒绝 {refused} 次。",
        "{all} calls in the last {n} days: {disclosed} handed over, {nothing_found} found nothing, {refused} refused.",
    ),
    "chart_none": _("最近 {n} 天没有人查询。", "Nobody asked in the last {n} days."),
    "chart_table": _("按天列出", "Day by day"),
    "day": _("日期", "Day"),
    "filter": _("筛选", "Filter"),
    "filter_dataset": _("数据", "Data"),
    "filter_outcome": _("结果", "Outcome"),
    "filter_all": _("全部", "All"),
    "filter_apply": _("筛选", "Show"),
    "filter_clear": _("清除筛选", "Show all"),
    "filter_consent": _("只看一份授权的查询", "Calls under one consent only"),
    "looks_heading": _("查询记录", "Calls"),
    "looks_none": _("还没有人查询过贵企业的数据", "Nobody has asked for your data yet"),
    "looks_none_text": _(
        "有机构查询时，无论成功与否，都会记在这里。",
        "Every call will be listed here, whether answered or not.",
    ),
    "looks_none_filtered": _("没有符合筛选条件的记录", "No call matches the filter"),
    "older_looks": _("更早的记录", "Older calls"),
    "download_csv": _("下载表格（CSV，最近 {n} 条）", "Download (CSV, the newest {n})"),
    "early_looks_title": _("谁先查过有没有数据", "Who looked before asking"),
    "early_looks_lead": _(
        "机构申请授权之前，可以先看平台有没有贵企业的某项数据。它看不到内容，也看不到数量；每次查看都记在这里。",
        "Before it asks for your consent, an institution may look whether the platform has some data of yours. It sees"
        " neither content nor amounts; every such look is listed here.",
    ),
    "early_looks_none": _("还没有机构这样查看过", "No institution has looked"),
    "outcome_disclosed": _("已提供", "Handed over"),
    "outcome_nothing_found": _("未查到", "Nothing found"),
    "outcome_refused": _("已拒绝", "Refused"),
    "nothing_found_text": _(
        "平台没有贵企业的这项数据，没有提供任何内容。",
        "The platform holds no such data of yours; nothing was shown.",
    ),
    "refused_text": _("平台没有提供任何数据：{why}。", "No data was shown: {why}."),
    "paid_by_bank": _("对方付费 {yuan} 元", "They paid ¥{yuan}"),
    "not_charged": _("未收费", "No charge"),
    "fields_shown": _("看到了哪些内容", "What they saw"),
    "fields_unknown": _(
        "当时的规则已不在平台上，无法逐项列出。", "The rules of that time are no longer here to list them."
    ),
    "under_consent": _("依据的授权", "Under this consent"),
    "decision_number": _("决定编号", "Decision number"),
    "institution": _("机构", "Institution"),
    "time": _("时间", "Time"),
    "data": _("数据", "Data"),
    "outcome": _("结果", "Outcome"),
    "explanation": _("说明", "Explanation"),
    "price_yuan": _("对方付费（元）", "They paid (yuan)"),
    # --- the quarter ---
    "statement_title": _("季度报告", "Quarterly statement"),
    "quarter": _("{year}年第{n}季度", "Q{n} {year}"),
    "statement_closed": _(
        "{first}至{last}。本季度已结束，内容不会再变。",
        "{first} to {last}. The quarter is over; this will not change.",
    ),
    "statement_runs": _(
        "{first}起。本季度还没有结束，以下截至{at}。",
        "From {first}. The quarter still runs: this is as of {at}.",
    ),
    "statement_choose": _("季度", "Quarter"),
    "statement_show": _("查看", "Show"),
    "statement_calls": _("查询次数", "Calls"),
    "statement_chart": _(
        "{quarter}共查询 {all} 次：提供 {disclosed} 次，未查到 {nothing_found} 次，拒绝 {refused} 次。",
        "{all} calls in {quarter}: {disclosed} handed over, {nothing_found} found nothing, {refused} refused.",
    ),
    "statement_weekly": _("每条为一周。", "Each bar is a week."),
    "statement_paid": _(
        "查询机构共付费 {yuan} 元；贵企业不付费。",
        "The institutions paid ¥{yuan} in all; your company pays nothing.",
    ),
    "statement_held": _("授权及其变化", "Consents, and what changed"),
    "statement_in_force": _("季度结束时有效的授权：{n} 份", "In force at the end of the quarter: {n}"),
    "statement_in_force_now": _("现在有效的授权：{n} 份", "In force now: {n}"),
    "statement_held_none": _("这个季度没有授权，也没有申请。", "There was neither a consent nor a request."),
    "statement_uses": _("本季度用 {n} 次", "{n} looks in the quarter", "1 look in the quarter"),
    "statement_lines": _("谁查了什么", "Who asked for what"),
    "statement_lines_none": _("这个季度没有人查询。", "Nobody asked in this quarter."),
    "statement_who_what": _("机构、数据、用途", "Institution, data, purpose"),
    "statement_because": _("{why}：{n} 次", "{why}: {n}"),
    "paid_yuan": _("付费（元）", "Paid (¥)"),
    "statement_total": _("合计", "Total"),
    "statement_times": _("{n} 次", "{n} times", "once"),
    "statement_early_none": _("这个季度没有机构这样查看过。", "No institution looked in this quarter."),
    "statement_keep": _("保存与核验", "Keep it, check it"),
    "statement_proof": _(
        "签名文件（JWS）由平台签名，任何人都可以用平台公布的公钥（/jwks）核验；其内容的摘要如下，以后下载也一样。",
        "The signed file (JWS) can be checked by anybody with the platform's published keys (/jwks). The digest of what "
        "it says is below, and stays the same whenever you download it.",
    ),
    "statement_not_yet": _(
        "季度结束一小时后，可以下载平台签名的文件。",
        "The signed file can be had an hour after the end of the quarter.",
    ),
    "statement_digest": _("摘要（SHA-256）", "Digest (SHA-256)"),
    "statement_print": _("打印", "Print"),
    "statement_csv": _("下载表格（CSV）", "Download (CSV)"),
    "statement_jws": _("下载签名文件（JWS）", "Download the signed file (JWS)"),
    "row": _("类别", "Kind"),
    "row_consent": _("授权", "Consent"),
    "row_calls": _("查询", "Calls"),
    "row_early_look": _("先查有没有", "Looked before asking"),
    "from_day": _("起", "From"),
    "until_day": _("止", "Until"),
    "state_then": _("当时状态", "State then"),
    "times": _("次数", "Times"),
    "why_refused": _("拒绝原因", "Why refused"),
    # --- agents ---
    "agents_title": _("经办人和签署人数", "Agents and signatories"),
    "agents_lead": _(
        "法定代表人可以委派经办人，在限定的用途、数据和期限内代为答复申请；随时可以撤销。",
        "The legal representative may appoint agents, who answer requests within the purposes, data and terms "
        "named here. A mandate can be revoked at any time.",
    ),
    "mandates_heading": _("委派记录", "Mandates"),
    "mandates_none": _("还没有委派过经办人。", "No agent has been appointed yet."),
    "mandate_active": _("有效", "In force"),
    "mandate_revoked": _("已撤销", "Revoked"),
    "mandate_expired": _("已到期", "Expired"),
    "mandate_purposes": _("用途", "Purposes"),
    "mandate_datasets": _("数据", "Data"),
    "mandate_terms": _("授权最长", "Consents of at most"),
    "mandate_terms_value": _("{n} 天", "{n} days", "1 day"),
    "mandate_period": _("委派期限", "From and until"),
    "mandate_by": _("委派人", "Appointed by"),
    "mandate_revoke": _("撤销委派", "Revoke the mandate"),
    "mandate_revoke_text": _(
        "撤销后，{name}不能再代表贵企业答复；已经同意的授权继续有效，可以另行撤回。",
        "{name} can no longer answer for your company. Consents given before stay in force; take them back separately.",
    ),
    "mandate_revoke_confirm": _("确认撤销", "Revoke it now"),
    "appoint_heading": _("委派经办人", "Appoint an agent"),
    "appoint_nobody": _(
        "请经办人先用自己的政务服务网账号、以经办人身份登录一次本平台，名字就会出现在这里供您选择。",
        "Let the agent log in here once with their own account of the government service network, as an agent. "
        "The name then appears here.",
    ),
    "appoint_who": _("谁", "Who"),
    "appoint_seen": _("{name}（{day}登录过）", "{name} (logged in on {day})"),
    "appoint_purposes": _("可以答复哪些用途的申请", "Requests for which purposes"),
    "appoint_datasets": _("可以同意哪些数据", "Which data"),
    "appoint_datasets_open": _("选择数据（共 {n} 类）", "Choose the data ({n} kinds)"),
    "appoint_term": _("每份授权最长多少天", "Longest consent in days"),
    "appoint_until": _("委派到哪天为止", "Last day of the mandate"),
    "appoint_button": _("委派", "Appoint"),
    "needed_heading": _("需要几个人同意", "How many must agree"),
    "needed_lead": _(
        "默认一人同意即可。您可以要求多名签署人都同意，授权才生效；任何一人不同意，申请即被拒绝。",
        "One person is enough unless you ask for more. A consent then takes effect when all of them have agreed; "
        "one who says no ends the request.",
    ),
    "needed_now": _("{what}：{n} 人", "{what}: {n} persons", "{what}: 1 person"),
    "needed_all": _("所有用途", "Every purpose"),
    "needed_sensitive": _("仅限敏感数据（4 级以上）", "only for sensitive data (level 4 and up)"),
    "needed_purpose": _("用途", "Purpose"),
    "needed_number": _("需要几个人", "Persons"),
    "needed_button": _("保存", "Save"),
    "only_representative": _(
        "您以经办人身份登录。委派和签署人数由法定代表人管理。",
        "You are logged in as an agent. Mandates and signatories are managed by the legal representative.",
    ),
    # --- confirming ---
    "approve_then_confirm": _(
        "点同意后，还要用您添加的验证方式确认。", "After this you confirm with your second factor."
    ),
    "login_stale": _(
        "这些数据敏感，要在登录后十分钟内同意。请重新登录，会回到本页；添加验证方式后就不用了。",
        "These data are sensitive: agreeing takes a log-in of the last ten minutes, which leads back here. "
        "With a second factor it does not.",
    ),
    "confirm_title": _("确认是您本人", "Confirm that it is you"),
    "confirm_heading": _("请确认是您本人", "Please confirm that it is you"),
    "confirm_lead": _(
        "还没有生效。请核对内容，再用您添加的验证方式确认；五分钟内有效。",
        "Nothing has happened yet. Check what it says and confirm within five minutes.",
    ),
    "confirm_back": _("不确认，返回", "Back, without confirming"),
    "confirm_approve": _("您要同意的授权", "You are about to agree"),
    "confirm_resume": _("您要恢复的授权", "You are about to resume a consent"),
    "confirm_appoint": _("您要委派经办人", "You are about to appoint an agent"),
    "confirm_needapprovals": _("您要改变签署人数", "You are about to change how many must agree"),
    "confirm_enrol": _("您要添加验证方式", "You are about to add a way to confirm"),
    "confirm_remove": _("您要移除验证方式", "You are about to remove a way to confirm"),
    "confirm_how": _("用什么确认", "How to confirm"),
    "confirm_passkey": _("用通行密钥确认", "Confirm with the passkey"),
    "confirm_passkey_hint": _(
        "设备会请您按指纹、看一眼，或输入锁屏密码。", "Your device asks for your finger, face or screen lock."
    ),
    "confirm_code": _("用验证码确认", "Confirm with the code"),
    "confirm_elsewhere": _(
        "您添加的通行密钥在这里用不了。请换到有通行密钥的设备上，用本平台的网址登录后操作。",
        "Your passkey does not work here. Please log in at this platform's address on the device that has it.",
    ),
    "code_label": _("六位验证码", "Six-digit code"),
    "code_hint": _(
        "打开手机上的验证器应用，输入它现在显示的数字。",
        "Open the authenticator app and type what it shows now.",
    ),
    "passkey_needs_script": _(
        "使用通行密钥需要浏览器启用脚本。", "A passkey works only where the browser runs scripts."
    ),
    "fault_wrong": _(
        "验证码不对，或已经用过。请等验证器显示下一个，再输入；手机时间要准。",
        "The code is wrong or was used. Wait for the next one; the phone's clock must be right.",
    ),
    "fault_held": _(
        "输错次数太多，请十五分钟后再试。", "Too many wrong codes. Please try again in fifteen minutes."
    ),
    "fault_passkey": _(
        "通行密钥没有通过验证，请再试一次。", "The passkey was not accepted. Please try once more."
    ),
    "fault_passkey_off": _(
        "没有完成：可能取消了，或这台设备上没有您的通行密钥。可以再试一次，或换一种方式。",
        "It was not completed: cancelled, or this device has no passkey of yours. Try again or choose another way.",
    ),
    "factor_lost": _("手机丢了，或用不了？", "Lost or broken?"),
    "factor_lost_text": _(
        "请重新登录，在“登录与验证”里移除用不了的验证方式，再添加新的。移除会留下记录，贵企业看得到。",
        "Log in again, remove it under “Log-ins and confirmation” and add another. The company sees that you did.",
    ),
    "factor_lost_stale": _(
        "请先重新登录，证明是您本人，十分钟内回到这里操作。",
        "Log in again first, to show that it is you, and come back here within ten minutes.",
    ),
    "factor_lost_fresh": _(
        "您刚刚登录过，可以凭这次登录继续。这会留下记录，贵企业看得到；您在其他设备上的登录将退出。",
        "You have just logged in and may go on with that. The company sees it; your other log-ins end when a factor goes.",
    ),
    "factor_lost_confirm": _("凭刚才的登录继续", "Go on with this log-in"),
    # --- devices ---
    "devices_title": _("登录与验证", "Log-ins and confirmation"),
    "to_devices": _("去“登录与验证”", "To log-ins and confirmation"),
    "back_to_devices": _("返回登录与验证", "Back to log-ins and confirmation"),
    "devices_enrolled": _(
        "已添加。从现在起，同意授权、委派经办人时要用它确认。",
        "Added. From now on you confirm with it when you agree or appoint an agent.",
    ),
    "devices_removed": _(
        "已移除，您在其他设备上的登录也已退出。", "Removed. Your other log-ins have been ended too."
    ),
    "devices_closed": _("已退出那台设备上的登录。", "Logged out there."),
    "factors_heading": _("确认是我的方式", "Ways to confirm that it is me"),
    "factors_lead": _(
        "添加以后，同意授权、恢复授权、委派经办人、改变签署人数，都要用它确认：别人拿到您登录着的手机也同意不了。",
        "Once there is one, agreeing, resuming, appointing agents and changing how many must agree need it: "
        "nobody can agree with a telephone that you left logged in.",
    ),
    "factors_none": _(
        "还没有添加。没有时，敏感数据只能在登录后十分钟内同意。",
        "None yet. Without one, sensitive data can be agreed to within ten minutes of the log-in only.",
    ),
    "factor_kind": _("方式", "Kind"),
    "factor_passkey": _("通行密钥", "Passkey"),
    "factor_totp": _("手机验证器", "Authenticator app"),
    "factor_since": _("{day}添加", "Added {day}"),
    "factor_used": _("上次使用：{moment}", "Last used {moment}"),
    "factor_unused": _("还没有用过", "Not used yet"),
    "factor_add": _("添加", "Add"),
    "factor_add_passkey": _("添加通行密钥", "Add a passkey"),
    "factor_add_passkey_hint": _(
        "用这台设备的指纹、面容或锁屏密码确认，最方便。",
        "Confirm with this device's finger, face or screen lock.",
    ),
    "factor_add_totp": _("添加手机验证器", "Add an authenticator app"),
    "factor_add_totp_hint": _(
        "用验证器应用显示的六位数字确认，各种手机都能用。",
        "Confirm with six digits from an app, on any telephone.",
    ),
    "factor_add_nothing": _(
        "手机验证器只能有一个；要换新的，请先移除旧的。",
        "There can be one app only; remove the old one first.",
    ),
    "factor_remove": _("移除", "Remove"),
    "factor_remove_text": _(
        "移除后，它就不能再用来确认。您在其他设备上的登录也将退出。",
        "It will confirm nothing any more. Your other log-ins end too.",
    ),
    "factor_remove_last": _(
        "这是您唯一的验证方式。移除后，同意授权不再需要确认，敏感数据只能在登录后十分钟内同意。",
        "It is the only one. Without it, agreeing needs no confirmation, and sensitive data a fresh log-in.",
    ),
    "factor_remove_confirm": _("确认移除", "Yes, remove it"),
    "factor_changes_heading": _("变更记录", "What changed"),
    "factor_enrol_by": _("{name}添加了“{what}”", "{name} added “{what}”"),
    "factor_remove_by": _("{name}移除了“{what}”", "{name} removed “{what}”"),
    "proved_totp": _("以手机验证器确认", "Confirmed with an authenticator app"),
    "proved_passkey": _("以通行密钥确认", "Confirmed with a passkey"),
    "proved_fresh_login": _("以重新登录确认", "Confirmed by a fresh log-in"),
    "proved_recovery": _(
        "没有用原来的验证方式，凭重新登录办理。如非本人，请立即联系平台。",
        "Done by a fresh log-in in the place of a lost factor. If it was not you, contact us at once.",
    ),
    "recovered_lately": _(
        "{day}，{name}没有用原来的验证方式，凭重新登录改动了“{what}”。",
        "{day}: {name} changed “{what}” by a fresh log-in in the place of a lost factor.",
    ),
    "sessions_heading": _("登录着的地方", "Where you are logged in"),
    "sessions_lead": _(
        "二十分钟不操作，或满八小时，会自动退出。不认得的，请退出它。",
        "Each ends after twenty minutes without a click, and after eight hours. End those you do not know.",
    ),
    "browser_unknown": _("未知浏览器", "Unknown browser"),
    "system_unknown": _("未知系统", "unknown system"),
    "session_on": _("{browser} · {system}", "{browser} · {system}"),
    "session_here": _("本机", "This one"),
    "session_since": _("登录：{moment}", "Logged in {moment}"),
    "session_seen": _("上次操作：{moment}", "Last click {moment}"),
    "session_close": _("退出", "End"),
    "sessions_close_others": _("退出其他所有设备", "End all others"),
    "enrol_totp_heading": _("添加手机验证器", "Add an authenticator app"),
    "enrol_totp_lead": _(
        "需要一个验证器应用，如手机自带的“密码”应用，或各应用商店里的身份验证器。",
        "You need an authenticator app: the password app of your telephone, or one from its store.",
    ),
    "enrol_totp_scan": _("用它扫这个码", "Scan this with it"),
    "enrol_totp_picture": _("给验证器应用扫的二维码", "QR code for the authenticator app"),
    "enrol_totp_same_phone": _("应用就在这部手机上：点这里打开", "The app is on this telephone: open it"),
    "enrol_totp_cannot_scan": _("扫不了？", "Cannot scan?"),
    "enrol_totp_type": _(
        "在应用里选择手动输入，类型为“基于时间”，密钥为：", "Choose to type it in, time-based, with this key:"
    ),
    "enrol_totp_code": _("输入它显示的数字", "Type what it shows"),
    "enrol_totp_example": _("我的手机", "My telephone"),
    "enrol_name": _("起个名字", "Give it a name"),
    "factor_name": _("名称（选填）", "Name (optional)"),
    "factor_name_hint": _("方便您以后认出它。", "So that you know it again."),
    "enrol_finish": _("完成添加", "Add it"),
    "enrol_passkey_heading": _("添加通行密钥", "Add a passkey"),
    "enrol_passkey_lead": _(
        "密钥保存在您的设备里，本平台只留公钥。以后确认时，设备会请您按指纹、看一眼，或输入锁屏密码。",
        "The key stays in your device; we keep its public half. To confirm, your device asks for your finger, "
        "face or screen lock.",
    ),
    "enrol_passkey_example": _("办公室电脑", "Office computer"),
    "enrol_passkey_button": _("在这台设备上添加", "Add on this device"),
    "passkeys_do_not_work": _(
        "用现在这个网址打开，浏览器不提供通行密钥。请改用手机验证器。",
        "Browsers offer no passkeys at this address. Please use an authenticator app.",
    ),
    # --- why the platform refused; the reasons are those of ledger/remember.py ---
    "refused_consent_unknown": _("它没有拿到贵企业的授权", "it holds no consent of yours"),
    "refused_consent_of_another_participant": _(
        "它用的是给别的机构的授权", "it used a consent given to somebody else"
    ),
    "refused_consent_of_another_enterprise": _("它用的是别家企业的授权", "it used another company's consent"),
    "refused_consent_for_another_purpose": _("用途与您同意的不符", "you had agreed to another purpose"),
    "refused_consent_without_dataset": _("这项数据不在您同意的范围内", "you had not agreed to this data"),
    "refused_consent_draft": _("申请还没有提交给您", "the request was not put to you yet"),
    "refused_consent_awaiting": _("您还没有答复这份申请", "you had not answered the request"),
    "refused_consent_partially_approved": _("还有签署人没有同意", "not every signatory had agreed"),
    "refused_consent_paused": _("授权已暂停", "the consent was paused"),
    "refused_consent_revoked": _("您已撤回授权", "you had taken the consent back"),
    "refused_consent_expired": _("授权已到期", "the consent had expired"),
    "refused_consent_used_up": _("约定的次数已用完", "all looks were used"),
    "refused_consent_used_up_today": _("当天的次数已用完", "the looks of that day were used"),
    "refused_consent_used_up_this_month": _("当月的次数已用完", "the looks of that month were used"),
    "refused_consent_superseded": _("授权已被新的取代", "the consent had been replaced"),
    "refused_consent_rejected": _("您没有同意这份申请", "you had not agreed to the request"),
    "refused_no_rule": _("共享规则不允许这样提供", "the sharing rules do not allow it"),
    # --- when something does not work; the reasons are those of gateway/problems.py ---
    "problem_trace": _("问题编号", "Trace number"),
    "problem_trace_hint": _(
        "向平台反映问题时，请提供这个编号。", "Please give this number when you contact us."
    ),
    "problem_safe": _("没有改动任何授权。", "No consent was changed."),
    "log_in_again": _("重新登录", "Log in again"),
    "problem_consent_unknown": _("没有找到这份授权", "This consent was not found"),
    "problem_consent_unknown_advice": _(
        "链接可能不完整，或者这份申请不是发给您登录的企业的。请从授权申请列表进入。",
        "The link may be incomplete, or the request is for another company than the one you logged in for. "
        "Please use the list of requests.",
    ),
    "problem_not_found": _("没有这个页面", "There is no such page"),
    "problem_not_found_advice": _(
        "地址可能输错了。请从授权申请列表进入。", "The address may be wrong. Please use the list of requests."
    ),
    "problem_method_not_allowed": _("请从页面上操作", "Please use the page"),
    "problem_method_not_allowed_advice": _(
        "这个地址不能直接打开。请回到授权申请，在页面上点按钮。",
        "This address cannot be opened directly. Please go back to the requests and use the buttons.",
    ),
    "problem_form_expired": _("页面已过期，请重新操作", "This page is out of date"),
    "problem_form_expired_advice": _(
        "您刚才的操作没有生效。可能是登录已更换，或者页面内容有更新。请重新打开申请，看清楚后再答复。",
        "What you pressed had no effect: the log-in or the content has changed since. Please open the request again.",
    ),
    "problem_login_not_fresh": _("请重新登录后再操作", "Please log in again for this"),
    "problem_login_not_fresh_advice": _(
        "这件事要在登录后十分钟内办理，刚才的操作没有生效。也可以在“登录与验证”里添加验证方式，以后用它确认。",
        "It takes a log-in of the last ten minutes; what you pressed had no effect. Or add a way to confirm under "
        "“Log-ins and confirmation”.",
    ),
    "problem_consent_state": _("这份授权的状态已经变了", "The consent has changed meanwhile"),
    "problem_consent_state_advice": _(
        "它可能已经答复过、撤回或到期，您刚才的操作没有生效。请重新打开，查看现在的状态。",
        "It may have been answered, taken back or expired; what you pressed had no effect. Please open it again.",
    ),
    "problem_request_invalid": _("地址或填写的内容有误", "Something in the address or form is not right"),
    "problem_request_invalid_advice": _("请返回上一页重新操作。", "Please go back and try again."),
    "problem_login_failed": _("登录没有成功", "The log-in did not succeed"),
    "problem_login_failed_advice": _(
        "可能等待太久，或在别的页面上又登录了一次。请重新登录；如仍不成功，请稍后再试。",
        "It may have taken too long, or you logged in once more on another page. Please log in again, or try later.",
    ),
    "problem_login_away": _("登录服务暂时没有答复", "The log-in service does not answer"),
    "problem_login_away_advice": _(
        "请稍后再试，或换一种方式登录。", "Please try again later, or log in another way."
    ),
    "problem_licence_not_valid": _("电子营业执照已失效", "The business licence is not valid any more"),
    "problem_licence_not_valid_advice": _(
        "这张营业执照已吊销、注销、暂停或过期，不能用来登录。如有疑问，请向登记机关查询，或换一种方式登录。",
        "It was revoked, cancelled or suspended, or has expired. Please ask the registration authority, "
        "or log in another way.",
    ),
    "problem_assurance_too_low": _("实名等级还不够", "This log-in is not strong enough"),
    "problem_assurance_too_low_advice": _(
        "同意提供敏感数据要更高的实名等级：请改用政务服务网登录，或用电子营业执照时选刷脸，或办理对公打款核验。",
        "Sensitive data need a stronger proof of who you are: log in through the government service network, show your "
        "face for the licence, or prove it by bank transfer.",
    ),
    "problem_authorization_request_invalid": _("授权链接已失效", "This link is no longer good"),
    "problem_authorization_request_invalid_advice": _(
        "链接只在一分钟内有效，答复之后也不能再用。请回到银行的页面重新发起；打开链接本身不会授权任何内容。",
        "A link is good for a minute, and not after it was answered. Please begin again on the bank's page; "
        "opening a link grants nothing.",
    ),
    "problem_redis_away": _("系统繁忙", "The system is busy"),
    "problem_redis_away_advice": _("请稍等一会儿再试。", "Please try again in a moment."),
    "problem_database_away": _("系统繁忙", "The system is busy"),
    "problem_database_away_advice": _("请稍等一会儿再试。", "Please try again in a moment."),
    "problem_internal": _("系统出了点问题", "Something went wrong on our side"),
    "problem_internal_advice": _(
        "请稍后再试。如果仍不行，请把下面的问题编号告诉平台。",
        "Please try again later. If it still fails, please tell us the trace number below.",
    ),
}

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Speech:
    """How a page speaks, in one language. In templates it is ``t``."""

    language: Language
    words: Mapping[str, Phrase] = field(default_factory=lambda: WORDS)

    def __call__(self, phrase: str, **facts: object) -> str:
        """The phrase with its facts filled in. Raises `KeyError` for one that is not in the table."""
        words = self.words[phrase]
        if self.language == "zh":
            return words.zh.format(**facts)
        return (words.en_one if words.en_one and facts.get("n") == 1 else words.en).format(**facts)

    @property
    def tag(self) -> str:
        """For the ``lang`` attribute (BCP 47)."""
        return "zh-CN" if self.language == "zh" else "en"

    def knows(self, phrase: str) -> bool:
        return phrase in self.words

    def pick(self, zh: str, en: str) -> str:
        """Of a title that its owner gives in both languages."""
        return zh if self.language == "zh" else en or zh

    def refusal(self, reason: str) -> str:
        """Why the platform refused a bank, as the enterprise reads it."""
        if f"refused_{reason}" in self.words:
            return self(f"refused_{reason}")
        problem = PROBLEMS.get(reason)
        return self.pick(problem.title, problem.title_en) if problem else reason

    def day(self, at: datetime | date) -> str:
        on = china_day(at) if isinstance(at, datetime) else at
        if self.language == "zh":
            return f"{on.year}年{on.month}月{on.day}日"
        return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"

    def moment(self, at: datetime) -> str:
        return f"{self.day(at)} {clock_time(at)}"

    def days_left(self, until: datetime, at: datetime) -> str:
        """Counted in China's days, as a person counts."""
        left = (china_day(until) - china_day(at)).days
        return self("days_left", n=left) if left > 0 else self("today_last")


def clock_time(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%H:%M:%S")


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def percent(share: float) -> str:
    """97.3%; never 100% or 0% by rounding alone."""
    thousandths = share * 1000
    whole = math.floor(thousandths) if share < 1 else 1000
    if share > 0 and whole == 0:
        return "<0.1%"
    return f"{whole // 10}%" if whole % 10 == 0 else f"{whole // 10}.{whole % 10}%"


def short(number: int) -> str:
    """For the end of an axis, where seven digits have no room: 12,345 stays, 1,234,567 is 1.2M."""
    return f"{number / 1_000_000:.1f}M" if number >= 1_000_000 else f"{number:,}"
