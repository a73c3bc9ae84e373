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
        "企业的法定代表人，用江苏政务服务网的法人账号登录；经办人也可以登录，在法定代表人委派的范围内办理。",
        "The legal representative, with the legal-person account of the Jiangsu government service network; "
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
    "event_reason": _("原因：{reason}", "Reason: {reason}"),
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
    "problem_consent_state": _("这份授权的状态已经变了", "The consent has changed meanwhile"),
    "problem_consent_state_advice": _(
        "它可能已经答复过、撤回或到期，您刚才的操作没有生效。请重新打开，查看现在的状态。",
        "It may have been answered, taken back or expired; what you pressed had no effect. Please open it again.",
    ),
    "problem_request_invalid": _("地址或填写的内容有误", "Something in the address or form is not right"),
    "problem_request_invalid_advice": _("请返回上一页重新操作。", "Please go back and try again."),
    "problem_login_failed": _("登录没有成功", "The log-in did not succeed"),
    "problem_login_failed_advice": _(
        "可能等待太久，或政务服务网暂时没有响应。请重新登录；如仍不成功，请稍后再试。",
        "It may have taken too long, or the government log-in does not answer. Please log in again, or try later.",
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
