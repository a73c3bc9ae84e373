"""Every phrase of the console's pages, in Chinese and English."""

from collections.abc import Mapping

from gateway.portal.words import WORDS as PORTAL_WORDS
from gateway.portal.words import Phrase

_ = Phrase

OWN_WORDS: Mapping[str, Phrase] = {
    # --- on every page ---
    "console": _("运行控制台", "Console"),
    "nav_quality": _("数据质量", "Quality"),
    "nav_rules": _("共享规则", "Rules"),
    "nav_decisions": _("决定说明", "Decisions"),
    "nav_events": _("操作记录", "Operators"),
    "role_system_admin": _("系统管理员", "System administrator"),
    "role_security_admin": _("安全管理员", "Security administrator"),
    "role_audit_admin": _("审计管理员", "Audit administrator"),
    "footer_roles": _(
        "系统、安全、审计三员各司其职，互不代办；每次操作都有记录。",
        "System, security and audit administrators cannot do each other's work; everything done here is recorded.",
    ),
    "back_to_console": _("返回控制台", "Back to the console"),
    "close_filter": _("清除筛选", "Show all"),
    # --- log-in ---
    "login_title": _("操作员登录", "Operator log-in"),
    "login_lead": _(
        "登录码由服务器管理人员当面给您，5 分钟内可用一次。",
        "Whoever runs the server gives you a code in person; it works once, within 5 minutes.",
    ),
    "login_id": _("操作员编号", "Operator id"),
    "login_code": _("登录码", "Log-in code"),
    "login_code_hint": _(
        "32 位字母和数字，横线和大小写不限。", "32 letters and digits; dashes and case do not matter."
    ),
    "login_press": _("登录", "Log in"),
    "login_refused": _(
        "没有登录成功：编号或登录码不对，或登录码已过期、已用过。请核对，或要一个新的登录码。",
        "Not logged in: the id or the code is wrong, or the code was used or is over. Check them, or ask for a new one.",
    ),
    "login_session_over": _(
        "登录已结束：15 分钟没有操作，或已满 8 小时。请重新登录。",
        "The log-in has ended: 15 minutes without a click, or 8 hours in all. Please log in again.",
    ),
    "login_logged_out": _("您已退出。", "You are logged out."),
    # --- quality ---
    "quality_title": _("数据质量", "Quality of the intake"),
    "quality_lead": _(
        "入库率＝（新增＋未变＋更新）÷ 收到，目标不低于 95%。按收到文件的日期统计，北京时间。",
        "Intake rate = (new + unchanged + updated) ÷ received; the goal is 95 % or more. By day of arrival, China's time.",
    ),
    "filter_owner": _("责任单位", "Owner"),
    "filter_dataset": _("信息项目", "Data set"),
    "filter_from": _("从", "From"),
    "filter_to": _("到", "To"),
    "filter_all_of": _("全部", "All"),
    "filter_show": _("查看", "Show"),
    "rate": _("入库率", "Intake rate"),
    "rate_goal": _("目标 95%", "Goal 95 %"),
    "rate_missed": _("低于 95%", "Below 95 %"),
    "rate_kept": _("达标", "Kept"),
    "timely": _("及时", "In time"),
    "timely_value": _("{timely} / {n}", "{timely} of {n}"),
    "complete": _("完整率", "Completeness"),
    "received": _("收到", "Received"),
    "taken": _("入库", "Taken"),
    "part_accepted": _("新增", "New"),
    "part_unchanged": _("未变", "Unchanged"),
    "part_superseded": _("更新", "Updated"),
    "part_quarantined": _("疑问", "Quarantined"),
    "deliveries": _("批次", "Intakes"),
    "open_now": _("待更正", "To correct"),
    "overdue": _("逾期项目", "Overdue data sets"),
    "overdue_since": _("逾期，应于{day}前到", "overdue since {day}"),
    "due_by": _("应于{day}前到", "due by {day}"),
    "newest_data": _("数据截至", "Data up to"),
    "chart_rate": _("每日入库率", "Intake rate by day"),
    "chart_rate_text": _(
        "{first}至{last}：{n} 天有数据到，其中 {below} 天入库率低于 95%。",
        "{first} to {last}: data came on {n} days, and on {below} of them the rate was below 95 %.",
    ),
    "chart_rows": _("每日收到的行数", "Rows received by day"),
    "chart_rows_text": _(
        "最多一天 {most} 行；由下到上为新增、未变、更新、疑问。",
        "At most {most} rows a day; from the bottom: new, unchanged, updated, quarantined.",
    ),
    "by_day": _("按天列出", "Day by day"),
    "day": _("日期", "Day"),
    "nothing_came": _("这段时间没有收到文件", "No file came in this time"),
    "nothing_came_text": _("请换一段时间，或清除筛选。", "Choose another time, or show all."),
    "by_dataset": _("按信息项目", "By data set"),
    "dataset": _("信息项目", "Data set"),
    "never_came": _("{n} 个信息项目还从未收到过数据。", "{n} data sets have never come.", "1 data set has never come."),
    "quarantine": _("待更正的疑问数据", "Rows to be corrected"),
    "quarantine_lead": _(
        "现在还没有更正的行，与上面的时间无关。", "Open at this moment, whatever the time chosen above."
    ),
    "quarantine_none": _("没有待更正的行", "Nothing to correct"),
    "reason": _("原因", "Reason"),
    "rows": _("行数", "Rows"),
    "to_correct": _("更正文件", "Correction files"),
    "to_correct_lead": _(
        "交责任单位逐行更正后退回；内容是责任单位的原始数据，请按规定保管。",
        "For the owner to correct row by row and return. They hold the rows as delivered: keep them accordingly.",
    ),
    "file": _("文件", "File"),
    "fetch": _("下载", "Download"),
    "fetch_of": _("下载第 {n} 批的更正文件", "Download the correction file of intake {n}"),
    "older": _("更早的", "Older"),
    "newest": _("回到最新", "Back to the newest"),
    # --- rules ---
    "rules_title": _("共享规则", "Sharing rules"),
    "rules_lead": _(
        "起草、批准须由两人分别完成；批准后启用，数秒内对所有查询生效。",
        "One person drafts, another approves; once activated it decides every question within seconds.",
    ),
    "rule_set_draft": _("草案", "Draft"),
    "rule_set_approved": _("已批准", "Approved"),
    "rule_set_active": _("执行中", "Active"),
    "rule_set_retired": _("已停用", "Retired"),
    "drafted_by": _("起草", "Drafted by"),
    "approved_by": _("批准", "Approved by"),
    "activated_by": _("启用", "Activated by"),
    "by_program": _("程序自带", "the program"),
    "rules_counted": _("{n} 条规则", "{n} rules", "1 rule"),
    "draft_heading": _("提交草案", "Submit a draft"),
    "draft_lead": _(
        "上传一个 TOML 文件，编号（id）须与已有的不同。自相矛盾的规则会被指出，不会入库。",
        "Upload a TOML file with an id of its own. Rules that contradict themselves are pointed out and not kept.",
    ),
    "draft_file": _("规则文件（.toml）", "Rule file (.toml)"),
    "draft_press": _("提交草案", "Submit"),
    "draft_refused": _("草案没有收下", "The draft was not taken"),
    "draft_no_file": _("请选择一个 UTF-8 编码的 TOML 文件。", "Choose a TOML file in UTF-8."),
    "done_draft": _("草案已收下，等另一位安全管理员批准。", "Kept; another security administrator has to approve it."),
    "done_approve": _("已批准，可以启用。", "Approved; it can be activated now."),
    "done_activate": _("已启用，数秒内对所有查询生效。", "Activated; it decides every question within seconds."),
    "done_withdraw": _("已撤下。", "Withdrawn."),
    "back_to_rules": _("返回共享规则", "Back to the rules"),
    "act_heading": _("下一步", "What is next"),
    "act_approve": _("批准", "Approve"),
    "act_activate": _("启用", "Activate"),
    "act_withdraw": _("撤下", "Withdraw"),
    "act_reason": _("理由（记入历史）", "Reason (kept in the history)"),
    "own_draft": _(
        "这份草案由您起草，须由另一位安全管理员批准。", "You drafted it: another security administrator has to approve it."
    ),
    "read_only": _("审计管理员只读。", "The audit administrator reads only."),
    "nothing_to_do": _("这一版没有可做的操作。", "There is nothing to do with this one."),
    "history": _("经过", "History"),
    "verb_seed": _("随程序带入", "came with the program"),
    "verb_draft": _("起草", "drafted"),
    "verb_approve": _("批准", "approved"),
    "verb_activate": _("启用", "activated"),
    "verb_withdraw": _("撤下", "withdrawn"),
    "verb_retire": _("停用", "retired"),
    "differs": _("与现行规则的差别", "How it differs from the active rules"),
    "differs_not": _("与现行规则文字相同。", "The same text as the active rules."),
    "its_text": _("全文", "The text"),
    "digest": _("SHA-256", "SHA-256"),
    "replay": _("重演", "Replay"),
    "replay_lead": _(
        "拿这一版规则重新判断一段时间里记录过的查询，看会有什么不同。不读数据，不改记录。",
        "Judge the recorded questions of a period anew by these rules and see what would differ. No data is read.",
    ),
    "replay_press": _("重演", "Replay"),
    "replay_title": _("{name}：重演", "{name}: replay"),
    "replay_of": _("{first}至{last}的 {n} 次查询", "{n} questions of {first} to {last}"),
    "replay_changed": _("会变", "would change"),
    "replay_unchanged": _("不变", "the same"),
    "replay_refused": _("当时因授权等未提供", "refused for other reasons"),
    "replay_incomparable": _("无法比较", "cannot be compared"),
    "replay_opened": _(
        "其中原来不提供、今后提供 {n} 次", "of these {n} would be answered that were refused"
    ),
    "replay_closed": _(
        "其中原来提供、今后不提供 {n} 次", "of these {n} would be refused that were answered"
    ),
    "replay_approximate": _(
        "{n} 次的规则已不在平台上，按现行规则比较。", "{n} were compared by the active rules: theirs are gone."
    ),
    "replay_nothing": _("没有一项会变", "Nothing would change"),
    "replay_none": _("这段时间没有查询", "No question was asked in this time"),
    "bank": _("机构", "Institution"),
    "field": _("数据项", "Field"),
    "purpose": _("用途", "Purpose"),
    "was_becomes": _("现在 → 今后", "Now → then"),
    "calls": _("次数", "Calls"),
    "calls_with_data": _("有数据", "With data"),
    "withheld": _("不提供", "not shown"),
    # --- decisions ---
    "decisions_title": _("一次决定的说明", "Why a question was answered as it was"),
    "decisions_lead": _(
        "填写答复里的决定编号（decision_id）：每个数据项为什么提供、遮盖或不提供，依据哪条规则、哪份授权。不显示数据，也不显示是哪家企业。",
        "Enter the decision_id of an answer: why each field was shown, masked or withheld, by which rule and consent. "
        "Neither the data nor the enterprise is shown.",
    ),
    "decision_id": _("决定编号", "Decision id"),
    "decision_press": _("查看说明", "Explain"),
    "decision_unknown": _("没有这个决定编号", "There is no such decision"),
    "decision_malformed": _("决定编号的格式不对", "This is no decision id"),
    "asked_at": _("时间", "Time"),
    "asked_what": _("查询", "Question"),
    "charged": _("计费", "Charged"),
    "rules_and_contract": _("规则与合同", "Rules and contract"),
    "contract_version": _("合同第 {n} 版", "contract version {n}"),
    "consent": _("授权", "Consent"),
    "consent_allowed": _("相符", "held"),
    "consent_refused": _("不符", "refused"),
    "consent_not_judged": _("未审", "not judged"),
    "clause": _("不符的条款：{clause}", "the clause: {clause}"),
    "by_field": _("逐项说明", "Field by field"),
    "by_rule": _("规则", "rule"),
    "level_of": _("{n} 级", "level {n}"),
    # --- operators ---
    "events_title": _("操作员与操作记录", "Operators and what they did"),
    "operators": _("操作员", "Operators"),
    "operators_hint": _(
        "在服务器上增加、停用：python -m gateway operator --help",
        "Added and closed on the server: python -m gateway operator --help",
    ),
    "since": _("{day}起", "since {day}"),
    "closed_on": _("{day}停用", "closed on {day}"),
    "at_work": _("在岗", "At work"),
    "closed": _("已停用", "Closed"),
    "events": _("操作记录", "What they did"),
    "events_of": _("只看{name}", "Only {name}"),
    "events_none": _("还没有记录", "Nothing yet"),
    "did_add": _("登记为操作员", "entered as operator"),
    "did_close": _("停用", "closed"),
    "did_code": _("发出登录码", "code issued"),
    "did_login": _("登录", "logged in"),
    "did_login_refused": _("登录失败", "log-in refused"),
    "did_logout": _("退出", "logged out"),
    "did_corrections": _("下载更正文件", "fetched the correction file"),
    "did_draft": _("起草规则", "drafted rules"),
    "did_approve": _("批准规则", "approved rules"),
    "did_activate": _("启用规则", "activated rules"),
    "did_withdraw": _("撤下规则", "withdrew rules"),
    "did_replay": _("重演规则", "replayed rules"),
    "did_explain": _("查看决定说明", "looked at a decision"),
    # --- when something does not work ---
    "problem_not_found_advice": _(
        "地址可能输错了。请从控制台进入。", "The address may be wrong. Please go by the console."
    ),
    "problem_method_not_allowed_advice": _(
        "这个地址不能直接打开，请用页面上的按钮。", "This address cannot be opened directly; use the buttons."
    ),
    "problem_form_expired_advice": _(
        "您刚才的操作没有生效。请重新打开页面再做。", "What you pressed had no effect. Please open the page again."
    ),
}  # fmt: skip

WORDS: Mapping[str, Phrase] = {**PORTAL_WORDS, **OWN_WORDS}
