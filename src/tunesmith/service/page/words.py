"""The page's words, English and Chinese."""

from __future__ import annotations

ENGLISH = {
    "title": "Tunesmith",
    "lead": "Models, served. Try one, then copy the code.",
    "other": "中文",
    "other_code": "zh",
    "products": "Products",
    "key": "API key",
    "key_hint": "ts_… stays in this page and is sent only to this service.",
    "use_key": "Use it",
    "need_key": "This service wants a key. Enter yours to see what it may ask.",
    "bad_key": "This key is not accepted.",
    "none": "Nothing is served for this key.",
    "away": "The service does not answer. Try again in a moment.",
    "version": "version",
    "runtime": "runtime",
    "length": "tokens a window",
    "labels": "Labels",
    "more": "more",
    "try": "Try it",
    "ask": "Ask",
    "asking": "Asking …",
    "optional": "More fields",
    "one_a_line": "one a line",
    "as_json": "as JSON",
    "bad_json": "This field is not JSON.",
    "answer": "Answer",
    "readable": "Readable",
    "json": "JSON",
    "took": "ms, measured here",
    "tokens": "tokens",
    "flagged": "Filters found something",
    "numbers": "numbers",
    "nothing": "nothing found",
    "code": "Use it from code",
    "copy": "Copy",
    "copied": "Copied",
    "file": "A whole file",
    "file_steps": "1. upload a file   2. begin with its id   3. look how far it is   4. download the answers",
    "score": "score",
    "system": "System message",
    "message": "Message",
    "send": "Send",
    "stop": "Stop",
    "again": "New chat",
    "first": "ms to the first token",
    "speed": "tokens/s",
    "contract": "The whole contract",
    "health": "Health",
    "script": "This page needs JavaScript to try products. The API does not: see /openapi.json.",
}
CHINESE = {
    "title": "Tunesmith",
    "lead": "模型已经上线。先试一试，再复制代码。",
    "other": "English",
    "other_code": "en",
    "products": "产品",
    "key": "API 密钥",
    "key_hint": "ts_… 只留在本页，只发送给本服务。",
    "use_key": "使用",
    "need_key": "本服务需要密钥。输入后可以看到它能调用的产品。",
    "bad_key": "这个密钥无效。",
    "none": "这个密钥没有可用的产品。",
    "away": "服务没有响应，请稍后再试。",
    "version": "版本",
    "runtime": "运行时",
    "length": "窗口词元数",
    "labels": "标签",
    "more": "个更多",
    "try": "试一试",
    "ask": "提问",
    "asking": "处理中 …",
    "optional": "更多字段",
    "one_a_line": "每行一个",
    "as_json": "JSON 格式",
    "bad_json": "这个字段不是 JSON。",
    "answer": "结果",
    "readable": "直观",
    "json": "JSON",
    "took": "毫秒（本页测得）",
    "tokens": "个词元",
    "flagged": "过滤器有发现",
    "numbers": "个数",
    "nothing": "没有发现",
    "code": "在代码中使用",
    "copy": "复制",
    "copied": "已复制",
    "file": "整个文件",
    "file_steps": "1. 上传文件   2. 用文件的 id 开始   3. 查看进度   4. 下载结果",
    "score": "分数",
    "system": "系统消息",
    "message": "消息",
    "send": "发送",
    "stop": "停止",
    "again": "新对话",
    "first": "毫秒后出现首个词元",
    "speed": "词元/秒",
    "contract": "完整接口",
    "health": "健康状况",
    "script": "试用产品需要 JavaScript；API 本身不需要，见 /openapi.json。",
}
WORDS = {"en": ENGLISH, "zh": CHINESE}


def language(accepted: str, chosen: str = "") -> str:
    """What a reader wants: what was chosen, else the likeliest that we have of ``Accept-Language``.

    >>> language("de, zh-CN;q=0.9, en;q=0.5"), language("zh", "en"), language("fr")
    ('zh', 'en', 'en')
    """
    if chosen in WORDS:
        return chosen
    wanted: list[tuple[float, int, str]] = []
    for part in accepted[:500].split(","):
        name, _, weight = part.partition(";q=")
        try:
            wanted.append((-float(weight or 1), len(wanted), name.strip().lower()[:2]))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(wanted) if name in WORDS), "en")
