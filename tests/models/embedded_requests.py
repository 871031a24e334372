"""Requests as people phrase them, with the tool calls that they require."""

from datetime import UTC, datetime
from typing import Any

from weconnect.agents.tools import json_query
from weconnect.agents.tools import text as text_tool
from weconnect.calculations import calculator, date_time
from weconnect.models.embedded import model
from weconnect.models.messages import Message, ModelReply, ModelRequest, ToolSpec

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)  # a Monday


def tool_spec(name: str, description: str, required: dict[str, Any], **optional: Any) -> ToolSpec:
    schema = {"type": "object", "properties": {**required, **optional}, "required": list(required)}
    return ToolSpec(
        name=name, description=description, input_schema={**schema, "additionalProperties": False}
    )


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
STRINGS = {"type": "array", "items": STRING}
CALCULATOR = ToolSpec(
    name="calculator", description=calculator.DESCRIPTION, input_schema=calculator.INPUT_SCHEMA
)
DATE_TIME = ToolSpec(name="date_time", description=date_time.DESCRIPTION, input_schema=date_time.INPUT_SCHEMA)
TEXT = ToolSpec(name=text_tool.NAME, description=text_tool.DESCRIPTION, input_schema=text_tool.INPUT_SCHEMA)
JSON_QUERY = ToolSpec(
    name=json_query.NAME, description=json_query.DESCRIPTION, input_schema=json_query.INPUT_SCHEMA
)
HTTP = tool_spec(
    "http_request",
    "Sends an HTTP request and returns status and body",
    {"url": {"type": "string", "format": "uri"}},
    method={"type": "string", "enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
    headers={"type": "object", "additionalProperties": STRING},
    body={},
)
SEARCH = tool_spec("memory_search", "Searches what was remembered", {"query": STRING}, limit=INTEGER)
SAVE = tool_spec("memory_save", "Remembers a fact", {"content": STRING}, key=STRING, tags=STRINGS)
MEMORY = [SEARCH, SAVE]
CUSTOM = [
    tool_spec("get_weather", "Current weather of a city", {"city": STRING}),
    tool_spec("lookup_order", "Looks up the status of a customer's order", {"orderId": STRING}),
    tool_spec(
        "convert_currency",
        "Converts money between currencies",
        {"amount": NUMBER, "from": STRING, "to": STRING},
    ),
    tool_spec(
        "send_email",
        "Sends an e-mail",
        {"to": {"type": "string", "format": "email"}, "subject": STRING},
        body=STRING,
    ),
    tool_spec(
        "create_ticket",
        "Opens a support ticket",
        {"title": STRING},
        priority={"type": "string", "enum": ["low", "normal", "high"]},
        tags=STRINGS,
    ),
    tool_spec(
        "list_invoices",
        "Lists invoices",
        {},
        status={"type": "string", "enum": ["paid", "open", "overdue"]},
        limit=INTEGER,
    ),
    tool_spec(
        "search_products",
        "Finds products in the catalogue",
        {"query": STRING},
        maxPrice=NUMBER,
        inStock=BOOLEAN,
    ),
    tool_spec("delete_user", "Deletes a user account", {"userId": INTEGER}),
]
ALL_TOOLS = [CALCULATOR, DATE_TIME, HTTP, TEXT, JSON_QUERY, *MEMORY, *CUSTOM]
WITHOUT_MEMORY = [CALCULATOR, DATE_TIME, HTTP, TEXT, JSON_QUERY, *CUSTOM]


def reply_to(
    text: str, tools: list[ToolSpec] = ALL_TOOLS, before: list[Message] | None = None, system: str = ""
) -> ModelReply:
    messages = [*(before or []), Message(role="user", content=text)]
    return model.reply(
        ModelRequest(provider="embedded", model="embedded", system=system, messages=messages, tools=tools),
        NOW,
    )


def calls_in(reply: ModelReply) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in reply.tool_calls]


ARITHMETIC = [
    ("what's 19 times 21", 399),
    ("Calculate (4 + 5) * 12 please", 108),
    ("how much is 15 percent of 80?", 12),
    ("add 5 and 7", 12),
    ("Add 12 to 30.", 42),
    ("square root of 144", 12),
    ("12 divided by 4", 3),
    ("2 to the power of 10", 1024),
    ("can you subtract 8 from 20?", 12),
    ("multiply 6 by 9", 54),
    ("divide 100 by 8", 12.5),
    ("what is the sum of 3, 4 and 5", 12),
    ("the average of 10, 20 and 60?", 30),
    ("7 squared plus 1", 50),
    ("I need to know what 1,250 minus 375 is", 875),
    ("twenty-three times seventeen", 391),
    ("half of 90", 45),
    ("what's 20% off 150", 120),
    ("how much is 50 plus 10%?", 55),
    ("which is the larger of 17 and 71", 71),
    ("5!", 120),
    ("what's 8 x 7?", 56),
    ("144/12", 12),
    ("is it true that 3^4 = 81? compute 3^4", 81),
    ("what is three hundred and five divided by five", 61),
    ("what's the remainder of 17 divided by 5", 2),
    ("-4 + 10", 6),
    ("Multiply 12 by the square root of 81", 108),
    ("What do I get if I multiply 12.5 by 8?", 100),
]

DATES = [
    ("what time is it in Tokyo?", {"operation": "now", "timezone": "Asia/Tokyo"}),
    ("What's the time in New York right now", {"operation": "now", "timezone": "America/New_York"}),
    ("what day is it today?", {"operation": "now"}),
    ("today's date please", {"operation": "now"}),
    (
        "how many days between 2026-01-01 and 2026-03-01?",
        {"operation": "difference", "date": "2026-01-01", "other": "2026-03-01"},
    ),
    (
        "how many days until 2026-12-25",
        {"operation": "difference", "date": "2026-11-23", "other": "2026-12-25"},
    ),
    (
        "How long is it until Christmas?",
        {"operation": "difference", "date": "2026-11-23", "other": "2026-12-25"},
    ),
    (
        "how many days since March 1, 2026?",
        {"operation": "difference", "date": "2026-03-01", "other": "2026-11-23"},
    ),
    ("what day of the week is 2027-02-14?", {"operation": "weekday", "date": "2027-02-14"}),
    ("Which weekday was 4 July 1976?", {"operation": "weekday", "date": "1976-07-04"}),
    ("what day of the week is tomorrow", {"operation": "weekday", "date": "2026-11-24"}),
    ("what date is it in 3 weeks?", {"operation": "add", "date": "2026-11-23", "weeks": 3}),
    ("which date is 90 days after 2026-01-15?", {"operation": "add", "date": "2026-01-15", "days": 90}),
    ("What was the date two months ago?", {"operation": "add", "date": "2026-11-23", "months": -2}),
    ("add 45 days to 2026-03-01", {"operation": "add", "date": "2026-03-01", "days": 45}),
    (
        "convert 2026-07-01T15:00 to Asia/Tokyo",
        {"operation": "convert", "date": "2026-07-01T15:00:00", "timezone": "Asia/Tokyo"},
    ),
    (
        "what is 15:00 UTC in Berlin?",
        {"operation": "convert", "date": "2026-11-23T15:00:00+00:00", "timezone": "Europe/Berlin"},
    ),
]

WEB = [
    ("fetch https://example.com/status.json", {"url": "https://example.com/status.json", "method": "GET"}),
    (
        "What does https://api.example.com/v1/health say?",
        {"url": "https://api.example.com/v1/health", "method": "GET"},
    ),
    (
        "POST to https://example.com/hooks with name=Ada age=36",
        {"url": "https://example.com/hooks", "method": "POST", "body": {"name": "Ada", "age": 36}},
    ),
    (
        'send a PUT request to http://127.0.0.1:8080/x with body {"on": true}',
        {"url": "http://127.0.0.1:8080/x", "method": "PUT", "body": {"on": True}},
    ),
    ("delete https://example.com/items/7", {"url": "https://example.com/items/7", "method": "DELETE"}),
    (
        "get https://example.com/search with q=cats",
        {"url": "https://example.com/search?q=cats", "method": "GET"},
    ),
]

# Each with the result of the tool for the arguments that were read.
TEXTS: list[tuple[str, Any]] = [
    ("Convert 'hello world' to upper case", "HELLO WORLD"),
    ("convert hello world to uppercase", "HELLO WORLD"),
    ('please write "Good Morning" in capital letters', "GOOD MORNING"),
    ("make 'SHOUTING' lowercase", "shouting"),
    ("turn Big News into small letters", "big news"),
    ("lowercase: THE END", "the end"),
    ("trim '  padded  '", "padded"),
    ("How long is 'antidisestablishmentarianism'?", 28),
    ("how many characters are in 'hello'", 5),
    ('what is the length of "seven up"?', 8),
    ("count the words in 'one two three'", 3),
    ("How many words are there in 'to be or not to be'?", 6),
    ("word count of 'a b'", 2),
    ("split 'a,b,c' by comma", ["a", "b", "c"]),
    ("split 'red|green' on '|'", ["red", "green"]),
    ("join 'a', 'b' and 'c' with a dash", "a-b-c"),
    ("join 'x', 'y' and 'z' with '::'", "x::y::z"),
    ("replace 'cat' with 'dog' in 'a cat is a cat'", "a dog is a dog"),
    ("where is 'lo' in 'hello'?", 3),
    ("find 'x' in 'abc'", -1),
    ("first 4 characters of 'weconnect'", "weco"),
    ("what are the last 3 letters of 'weconnect'?", "ect"),
    ("characters 3 to 5 of 'weconnect'", "con"),
    ("slugify 'Größe & Gewicht: 10 kg'", "groe-gewicht-10-kg"),
    ("make a slug from 'Hello World'", "hello-world"),
    ("base64 encode 'hello'", "aGVsbG8="),
    ("encode 'hello' in base64", "aGVsbG8="),
    ("decode 'aGVsbG8=' from base64", "hello"),
    ("url encode 'a b&c'", "a%20b%26c"),
    ("URL-decode 'a%20b'", "a b"),
    ("what is the sha256 of 'abc'?", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("hash 'abc'", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("url encode 'https://example.com/?q=a b'", "https%3A%2F%2Fexample.com%2F%3Fq%3Da%20b"),
    ("use the text tool: uppercase 'my name'", "MY NAME"),
]
QUERIES: list[tuple[str, Any]] = [
    ('extract name from {"name": "Ada", "age": 36}', "Ada"),
    ('query {"items": [{"price": 3}, {"price": 4}]} with "$sum(items.price)"', 7),
    ('evaluate `items[price > 3].id` on {"items": [{"id": 1, "price": 3}, {"id": 2, "price": 4}]}', 2),
    ('pick user.emails[0] from {"user": {"emails": ["a@example.com", "b@example.com"]}}', "a@example.com"),
    ("run the JSONata expression '$count($)' over [1, 2, 3]", 3),
    ('json_query: select $uppercase(city) in {"city": "Rome"}', "ROME"),
]

CUSTOM_TOOLS = [
    ("What's the weather in Paris?", "get_weather", {"city": "Paris"}),
    ("weather for New York please", "get_weather", {"city": "New York"}),
    ("Is it raining in Oslo today?", "get_weather", {"city": "Oslo"}),
    ("get_weather city=Lima", "get_weather", {"city": "Lima"}),
    ('use get_weather with city: "São Paulo"', "get_weather", {"city": "São Paulo"}),
    ("Where is my order 99120?", "lookup_order", {"orderId": "99120"}),
    ("look up order A-1042", "lookup_order", {"orderId": "A-1042"}),
    ("status of order #771 please", "lookup_order", {"orderId": "771"}),
    ("check on orderId=55", "lookup_order", {"orderId": "55"}),
    ("convert 100 USD to EUR", "convert_currency", {"amount": 100, "from": "USD", "to": "EUR"}),
    (
        "How much is 250 USD in JPY?",
        "convert_currency",
        {"amount": 250, "from": "USD", "to": "JPY"},
    ),
    (
        'send an email to ada@example.com with subject "Hello there"',
        "send_email",
        {"to": "ada@example.com", "subject": "Hello there"},
    ),
    (
        "email bob@example.org, subject: Lunch, body: see you at noon",
        "send_email",
        {"to": "bob@example.org", "subject": "Lunch", "body": "see you at noon"},
    ),
    (
        'open a high priority ticket titled "Printer on fire"',
        "create_ticket",
        {"title": "Printer on fire", "priority": "high"},
    ),
    (
        'create a ticket "Broken link" with tags: web, urgent',
        "create_ticket",
        {"title": "Broken link", "tags": ["web", "urgent"]},
    ),
    ("show me the overdue invoices", "list_invoices", {"status": "overdue"}),
    ("list invoices, limit 5", "list_invoices", {"limit": 5}),
    ("find products about garden chairs", "search_products", {"query": "garden chairs"}),
    (
        'search products for "red shoes" with maxPrice=50',
        "search_products",
        {"query": "red shoes", "maxPrice": 50},
    ),
    ("delete user 42", "delete_user", {"userId": 42}),
]

REMEMBER = [
    ("remember that my favourite colour is teal", "my favourite colour is teal"),
    ("Please note: the office closes at 6pm", "the office closes at 6pm"),
    ("keep in mind that I am allergic to nuts.", "I am allergic to nuts"),
    ("don't forget my sister's name is Ada", "my sister's name is Ada"),
    ("For the record, our invoice address is 5 Main St", "our invoice address is 5 Main St"),
    ("could you please remember I live in Lisbon?", "I live in Lisbon"),
    ("save this: wifi password is on the fridge", "wifi password is on the fridge"),
    ("I moved to Rome, remember that", "I moved to Rome"),
    ("make a note that the car needs oil", "the car needs oil"),
]

RECALL = [
    "what is my favourite colour?",
    "do you remember my sister's name?",
    "What did I tell you about the office?",
    "what do you know about me?",
    "who is my dentist",
    "where do I live?",
    "remind me what the wifi password is",
    "Which airline do I prefer?",
]

UNANSWERABLE = [
    "Write me a poem about the sea",
    "tell me a joke",
    "Translate 'good morning' into French",
    "explain quantum entanglement",
    "who won the world cup in 1998?",
    "summarise this article for me",
    "what is the meaning of life?",
    "draw a cat",
    "asdf qwer zxcv",
    "I had a lovely weekend",
    "cancel order 12",
    "book me a flight to Rome",
    "???",
    "call me at 555-1234",
]

SMALL_TALK = ["hi", "Hello!", "hey there", "good morning", "thanks", "Thank you very much!", "bye"]

HELD_OUT_TOOLS = [
    tool_spec("get_stock_price", "Latest price of a stock", {"symbol": STRING}),
    tool_spec(
        "book_table",
        "Books a table at a restaurant",
        {"restaurant": STRING, "people": INTEGER, "date": {"type": "string", "format": "date"}},
    ),
    tool_spec(
        "getUserProfile",
        "Profile of a user by e-mail address",
        {"email": {"type": "string", "format": "email"}},
    ),
    tool_spec("roll_dice", "Rolls dice", {"sides": INTEGER}, count=INTEGER),
    tool_spec("send_sms", "Sends a text message to a phone", {"phone": STRING, "message": STRING}),
    tool_spec("news_headlines", "Headlines of today's news about a topic", {"topic": STRING}, count=INTEGER),
]

# Written after the rules, to measure them. For the calculator, its result is compared; None accepts any arguments.
HELD_OUT: list[tuple[str, list[tuple[str, dict[str, Any] | None]]]] = [
    ("could you work out 48 divided by 6 for me?", [("calculator", {"result": 8})]),
    ("whats 13 squared", [("calculator", {"result": 169})]),
    ("I bought 3 items at 4.50 each, so what is 3 * 4.50?", [("calculator", {"result": 13.5})]),
    ("how much would a 18% tip on $64 be", [("calculator", {"result": 11.52})]),
    ("take 17 away from 50", [("calculator", {"result": 33})]),
    ("what is two thirds of 90?", [("calculator", {"result": 60})]),
    ("sum up 10, 15 and 25", [("calculator", {"result": 50})]),
    ("What's the cube root of 27 plus 4?", [("calculator", {"result": 7})]),
    (
        "when is it 100 days from today?",
        [("date_time", {"operation": "add", "date": "2026-11-23", "days": 100})],
    ),
    (
        "how many weeks are left until new year's eve?",
        [("date_time", {"operation": "difference", "date": "2026-11-23", "other": "2026-12-31"})],
    ),
    ("was 1 January 2000 a Saturday?", [("date_time", {"operation": "weekday", "date": "2000-01-01"})]),
    (
        "If it's 9am in New York, what time is it in London?",
        [
            (
                "date_time",
                {"operation": "convert", "date": "2026-11-23T09:00:00-05:00", "timezone": "Europe/London"},
            )
        ],
    ),
    (
        "tell me the current time in Sydney",
        [("date_time", {"operation": "now", "timezone": "Australia/Sydney"})],
    ),
    (
        "please download example.org/data.csv",
        [("http_request", {"url": "https://example.org/data.csv", "method": "GET"})],
    ),
    (
        "call https://api.example.com/me with header Authorization: Bearer abc123def456ghi",
        [
            (
                "http_request",
                {
                    "url": "https://api.example.com/me",
                    "method": "GET",
                    "headers": {"Authorization": "Bearer abc123def456ghi"},
                },
            )
        ],
    ),
    ("what's the stock price of AAPL?", [("get_stock_price", {"symbol": "AAPL"})]),
    ("how is TSLA stock doing", [("get_stock_price", {"symbol": "TSLA"})]),
    (
        "book a table at Luigi's for 4 people on 2026-12-01",
        [("book_table", {"restaurant": "Luigi's", "people": 4, "date": "2026-12-01"})],
    ),
    (
        "reserve a table for two people at Noma tomorrow",
        [("book_table", {"restaurant": "Noma", "people": 2, "date": "2026-11-24"})],
    ),
    ("show the profile of ada@example.com", [("getUserProfile", {"email": "ada@example.com"})]),
    ("roll a dice with 20 sides", [("roll_dice", {"sides": 20})]),
    ('text +4915112345 "running late"', [("send_sms", {"phone": "+4915112345", "message": "running late"})]),
    ("any news about electric cars?", [("news_headlines", {"topic": "electric cars"})]),
    (
        "give me the top 3 headlines on climate change",
        [("news_headlines", {"topic": "climate change", "count": 3})],
    ),
    ("Do I need an umbrella in Hamburg?", [("get_weather", {"city": "Hamburg"})]),
    ("has parcel 88-XY shipped yet? the order is 88-XY", [("lookup_order", {"orderId": "88-XY"})]),
    (
        "Just so you remember: my passport expires in May 2029",
        [("memory_save", {"content": "my passport expires in May 2029"})],
    ),
    ("when does my passport expire?", [("memory_search", None)]),
    ("compare Kant and Hegel", []),
    ("Order me a pizza", []),
    ("hey, quick one: 45 times 12?", [("calculator", {"result": 540})]),
    ("if I divide 1000 by 16 what do I get", [("calculator", {"result": 62.5})]),
    ("what is 30% of 250 plus 10", [("calculator", {"result": 85})]),
    ("reduce 80 by 25%", [("calculator", {"result": 60})]),
    ("9 to the third power", [("calculator", {"result": 729})]),
    ("what's the total of 12.50, 7.25 and 3?", [("calculator", {"result": 22.75})]),
    (
        "how many hours until tomorrow?",
        [("date_time", {"operation": "difference", "date": "2026-11-23", "other": "2026-11-24"})],
    ),
    (
        "give me the date 6 weeks before Dec 25 2026",
        [("date_time", {"operation": "add", "date": "2026-12-25", "weeks": -6})],
    ),
    (
        "which day of the week does 2028-02-29 fall on?",
        [("date_time", {"operation": "weekday", "date": "2028-02-29"})],
    ),
    ("time in Singapore?", [("date_time", {"operation": "now", "timezone": "Asia/Singapore"})]),
    (
        "PATCH http://127.0.0.1:9000/u/1 active=false",
        [
            (
                "http_request",
                {"url": "http://127.0.0.1:9000/u/1", "method": "PATCH", "body": {"active": False}},
            )
        ],
    ),
    (
        "Could you check whether https://status.example.com is up?",
        [("http_request", {"url": "https://status.example.com", "method": "GET"})],
    ),
    ("How cold is it in Reykjavik right now?", [("get_weather", {"city": "Reykjavik"})]),
    ("I'd like to know the weather at Lake Como", [("get_weather", {"city": "Lake Como"})]),
    (
        "Please raise a ticket called 'VPN down', low priority",
        [("create_ticket", {"title": "VPN down", "priority": "low"})],
    ),
    ("which invoices are still open?", [("list_invoices", {"status": "open"})]),
    ("exchange 75.5 GBP into CHF", [("convert_currency", {"amount": 75.5, "from": "GBP", "to": "CHF"})]),
    ("Track package ZX-9981", [("lookup_order", {"orderId": "ZX-9981"})]),
    (
        "do you have products matching wireless headphones under 80?",
        [("search_products", {"query": "wireless headphones", "maxPrice": 80})],
    ),
    ("remove user number 7", [("delete_user", {"userId": 7})]),
    ("roll 3 dice with 6 sides", [("roll_dice", {"sides": 6, "count": 3})]),
    ("Get me the user profile for bob@corp.io", [("getUserProfile", {"email": "bob@corp.io"})]),
    ("what are today's headlines about football", [("news_headlines", {"topic": "football"})]),
    ("I want you to remember my shoe size is 43", [("memory_save", {"content": "my shoe size is 43"})]),
    ("what shoe size do I wear?", [("memory_search", None)]),
    ("never forget that we ship on Fridays", [("memory_save", {"content": "we ship on Fridays"})]),
    (
        "What is 3+4, and what's the weather in Kyoto?",
        [("calculator", {"result": 7}), ("get_weather", {"city": "Kyoto"})],
    ),
    ("sing me a song", []),
    ("delete everything", []),
    ("make my day better", []),
]
