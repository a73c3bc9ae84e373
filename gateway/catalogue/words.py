"""Every phrase of the catalogue's pages, in Chinese and English."""

from collections.abc import Mapping

from gateway.portal.words import WORDS as PORTAL_WORDS
from gateway.portal.words import Phrase

_ = Phrase

OWN_WORDS: Mapping[str, Phrase] = {
    "catalogue": _("信息项目目录", "Catalogue of data"),
    "catalogue_lead": _(
        "平台有哪些数据、来自哪个单位、谁能看到什么样子。没有企业的授权，一项也不提供。",
        "Which data there are, where they come from, and who sees what of them. Without the enterprise's consent, nothing.",
    ),
    "rules_in_force": _("现行规则：{title}", "Rules in force: {title}"),
    "search": _("查找", "Search"),
    "search_label": _("查找信息项目、数据项、责任单位", "Search data sets, fields, owners"),
    "search_clear": _("清除", "Clear"),
    "search_result": _(
        "“{wanted}”找到 {n} 项", "{n} data sets for “{wanted}”", "1 data set for “{wanted}”"
    ),
    "search_none": _("没有找到“{wanted}”", "Nothing found for “{wanted}”"),
    "search_none_text": _(
        "请换一个词，或清除查找后按类别浏览。", "Try another word, or clear the search and browse by category."
    ),
    "search_fields": _("相符的数据项", "Matching fields"),
    "all_counted": _("共 {n} 个信息项目，{fields} 个数据项", "{n} data sets with {fields} fields"),
    "categories": _("类别", "Categories"),
    "print_all": _("全部展开，供打印", "Everything on one page, to print"),
    "print_hint": _(
        "已全部展开，可直接用浏览器打印。", "Everything is open: print with your browser."
    ),
    "print_back": _("返回目录", "Back to the catalogue"),
    "as_json": _("供程序读取（JSON）", "For programs (JSON)"),
    "back": _("返回目录", "Back to the catalogue"),
    "owner": _("责任单位", "Owner"),
    "mode": _("共享方式", "Mode"),
    "mode_collected": _("归集后提供", "collected"),
    "mode_live": _("实时查询", "live"),
    "mode_verify": _("核验", "verification"),
    "mode_derived": _("计算指标", "computed"),
    "mode_collected_text": _("平台存有副本，注明截至日期。", "The hub keeps copies, with their dates."),
    "mode_live_text": _(
        "每次向责任单位查询；{n} 分钟内的答复不重复查。",
        "Asked from its owner each time; an answer of the last {n} minutes is not asked again.",
    ),
    "mode_verify_text": _(
        "银行说出所知，平台只答是否一致。", "The bank says what it knows, and hears only whether it is right."
    ),
    "mode_derived_text": _("由明细当场算出，不提供明细。", "Computed when asked; the records stay inside."),
    "refresh": _("更新承诺", "Refreshed"),
    "refresh_event": _("发生后 {n} 天内更新", "within {n} days of the event", "within a day of the event"),
    "refresh_day": _("每天，截至日后 {n} 天内到", "daily, {n} days after the date at most", "daily, the next day"),
    "refresh_month": _("每月，月末后 {n} 天内到", "monthly, within {n} days of the month's end"),
    "refresh_quarter": _("每季，季末后 {n} 天内到", "quarterly, within {n} days of the quarter's end"),
    "refresh_year": _("每年，年末后 {n} 天内到", "yearly, within {n} days of the year's end"),
    "refresh_live": _("查询时当场取得", "when you ask"),
    "refresh_derived": _("随所用的数据", "with the data used"),
    "price": _("价格", "Price"),
    "price_value": _("每次 {yuan} 元", "¥{yuan} a call"),
    "footer_portal": _("企业授权入口", "For enterprises"),
    "price_none": _("不收费", "free"),
    "price_note": _("由查询的机构支付，企业不付费。", "Paid by whoever asks; enterprises pay nothing."),
    "category": _("类别", "Category"),
    "sharing": _("共享属性", "Sharing"),
    "sharing_open": _("无条件共享", "open"),
    "sharing_consented": _("有条件共享（须企业授权）", "with the enterprise's consent"),
    "sharing_withheld": _("不予共享", "not shared"),
    "records": _("条数", "Records"),
    "records_one": _("每家企业一条", "one per enterprise"),
    "records_part": _("按{part}，最多 {n} 条", "by {part}, at most {n}"),
    "retention": _("保存", "Kept"),
    "retention_value": _("{n} 个月", "{n} months"),
    "version": _("合同版本", "Contract version"),
    "fields_counted": _("{n} 个数据项", "{n} fields", "1 field"),
    "fields": _("数据项", "Fields"),
    "fields_lead": _(
        "每项注明级别（1 最低，5 最高）和谁能看到什么样子；所示内容是举例。",
        "Each with its level (1 lowest, 5 highest) and who sees what; the values are examples.",
    ),
    "level": _("{n} 级", "Level {n}"),
    "required": _("必有", "always there"),
    "nobody": _("不提供给任何机构", "Shown to nobody"),
    "values": _("取值", "Values"),
    "values_of": _("等 {n} 种", "and more, {n} in all"),
    "for_purposes": _("：", ": "),
    "computed_from": _("用到", "Made from"),
    "window": _("时间范围", "Window"),
    "null_means": _("空值", "If null"),
    "way_computed": _("算法", "How"),
    "absence": _(
        "未提供不代表不存在：平台没有的，不等于没有发生。",
        "What is not provided may exist all the same: absence here proves nothing.",
    ),
    "type_text": _("文字", "text"),
    "type_code": _("代码", "code"),
    "type_date": _("日期", "date"),
    "type_month": _("年月", "month"),
    "type_year": _("年份", "year"),
    "type_money": _("金额", "amount"),
    "type_integer": _("整数", "whole number"),
    "type_decimal": _("小数", "decimal"),
    "type_boolean": _("是否", "yes or no"),
    "problem_dataset_unknown": _("没有这个信息项目", "There is no such data set"),
    "problem_dataset_unknown_advice": _(
        "它可能改了名称，或者地址输错了。请从目录进入。",
        "It may have another name, or the address is wrong. Please use the catalogue.",
    ),
    "problem_not_found_advice": _(
        "地址可能输错了。请从目录进入。", "The address may be wrong. Please use the catalogue."
    ),
    "problem_method_not_allowed_advice": _(
        "这个地址不能这样打开。请从目录进入。", "This address cannot be opened so. Please use the catalogue."
    ),
}  # fmt: skip

WORDS: Mapping[str, Phrase] = {**PORTAL_WORDS, **OWN_WORDS}

_CATEGORIES = {
    "企业登记注册": "Business registration",
    "企业主要人员": "Key persons",
    "行政许可": "Administrative permits",
    "行政处罚": "Administrative penalties",
    "司法判决及执行": "Judgments and enforcement",
    "严重失信主体名单": "Lists of serious dishonesty",
    "荣誉表彰": "Honours",
    "政策支持": "Policy support",
    "纳税": "Tax",
    "社会保险费": "Social insurance",
    "住房公积金": "Housing fund",
    "进出口": "Import and export",
    "水费": "Water",
    "电费": "Power",
    "燃气费": "Gas",
    "不动产": "Real estate",
    "知识产权": "Intellectual property",
    "科技研发": "Science and R&D",
    "资质": "Qualifications",
    "车辆": "Vehicles",
    "信用评价": "Credit evaluation",
    "环境信用": "Environment",
    "企业自愿填报": "Self-declared",
    "综合指标": "Indicators",
}


def category_in_english(category: str) -> str:
    """Raises `KeyError` for a category that is not of the working list."""
    return _CATEGORIES[category]
