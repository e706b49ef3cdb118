/* What the mock answers, as data: one `struct format` per wire format.
 *
 * "%U" in an event stands for the usage member that a vendor adds to every event once usage was
 * asked for; the text "t00000 " is where the sequence number goes.
 */
#ifndef BENCH_ANSWERS_H
#define BENCH_ANSWERS_H

struct format {
    const char *name;
    const char *answer_type, *answer;
    const char *stream_type;
    const char *first_event, *event, *finish_event;
    const char *usage_event; /* printf: output tokens, total tokens */
    const char *usage_absent;
    const char *terminator;
};

#define MOCK_ID "chatcmpl-Bq7mockbenchanswer000000001"
#define OPENAI_EVENT(delta, finish)                                                           \
    "data: {\"id\":\"" MOCK_ID "\",\"object\":\"chat.completion.chunk\","                     \
    "\"created\":1764547200,\"model\":\"mock\",\"system_fingerprint\":\"fp_bench\","          \
    "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":"    \
    finish "}]%U}\n\n"

static const struct format OPENAI_CHAT = {
    .name = "openai",
    .answer_type = "application/json",
    .answer =
        "{\"id\":\"" MOCK_ID "\",\"object\":\"chat.completion\",\"created\":1764547200,"
        "\"model\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"A gateway earns its place when nobody notices it: requests pass, streams "
        "flow, and the bill at the end of the month agrees with what was asked. This text is "
        "fixed so that every answer can be checked to the byte, and it is about as long as a "
        "short reply in a chat.\\n\\nEnd of the mock answer.\",\"refusal\":null},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":271,"
        "\"completion_tokens\":64,\"total_tokens\":335,\"prompt_tokens_details\":"
        "{\"cached_tokens\":0}},\"system_fingerprint\":\"fp_bench\"}",
    .stream_type = "text/event-stream; charset=utf-8",
    .first_event = OPENAI_EVENT("\"role\":\"assistant\",\"content\":\"t00000 \"", "null"),
    .event = OPENAI_EVENT("\"content\":\"t00000 \"", "null"),
    .finish_event = OPENAI_EVENT("", "\"stop\""),
    .usage_event =
        "data: {\"id\":\"" MOCK_ID "\",\"object\":\"chat.completion.chunk\","
        "\"created\":1764547200,\"model\":\"mock\",\"system_fingerprint\":\"fp_bench\","
        "\"choices\":[],\"usage\":{\"prompt_tokens\":271,\"completion_tokens\":%u,"
        "\"total_tokens\":%u,\"prompt_tokens_details\":{\"cached_tokens\":0}}}\n\n",
    .usage_absent = ",\"usage\":null",
    .terminator = "data: [DONE]\n\n",
};
#define PROMPT_TOKENS 271

static const char MODELS[] =
    "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\",\"owned_by\":\"bench\"}]}";

#endif
