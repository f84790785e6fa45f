"""Made-up rows for each published task, in the form in which the set is published."""

from __future__ import annotations

from typing import Any

TRUTHFUL_QA = [
    {"id": f"q{n}", "type": "x", "question": f"Why {n}?", "best_answer": "So", "correct_answers": ["So", "Both"],
     "incorrect_answers": ["No", "Both", "No"]}
    for n in range(3)
]  # fmt: skip
SQUAD = [
    {"id": "s1", "title": "Oslo", "context": "Oslo is in Norway.", "question": "Where is Oslo?",
     "answers": {"text": ["Norway", "in Norway"], "answer_start": [11, 8]}},
    {"id": "s2", "title": "Oslo", "context": "Oslo is in Norway.", "question": "How old is Oslo?",
     "answers": {"text": [], "answer_start": []}},
]  # fmt: skip
DROP = [
    {"section_id": "a", "query_id": "x", "passage": "Ann has 3 hens and 4 cows.", "question": "How many in all?",
     "answers_spans": {"spans": ["7"], "types": ["number"]}},
    {"section_id": "a", "query_id": "y", "passage": "Ann has 3 hens and 4 cows.", "question": "What has Ann?",
     "answers_spans": {"spans": ["hens", "cows"], "types": ["span", "span"]}},
]  # fmt: skip
QUAC = [
    {"id": "d1", "wikipedia_page_title": "Ann", "context": "Ann sang in Oslo. CANNOTANSWER",
     "questions": ["Where did she sing?", "When?"],
     "answers": {"texts": [["in Oslo", "Oslo"], ["CANNOTANSWER", "CANNOTANSWER", "once"]]}},
    {"id": "d2", "wikipedia_page_title": "Ben", "context": "Ben runs. CANNOTANSWER", "questions": ["Who runs?"],
     "answers": {"texts": [["Ben"]]}},
]  # fmt: skip
HELLASWAG = [
    {"ind": n, "activity_label": "Baking", "ctx": "[header] Mix it [title] Then, she", "label": str(n),
     "endings": ["bakes [step] it.", "sings."]}
    for n in range(2)
]  # fmt: skip
SST = [{"idx": n, "sentence": f"a film {n} ", "label": n % 2} for n in range(3)]
RTE = [{"idx": n, "premise": "It rains.", "hypothesis": f"Water falls {n}.", "label": n} for n in range(2)]
WSC = [
    {"idx": 0, "text": "Ann thanked Eve because she helped.", "span1_text": "Eve", "span2_text": "she",
     "span1_index": 2, "span2_index": 4, "label": 1},
    {"idx": 1, "text": "Ann thanked Eve because she helped.", "span1_text": "Ann", "span2_text": "she",
     "span1_index": 0, "span2_index": 4, "label": 0},
]  # fmt: skip
TRANSLATION = [{"translation": {"fr": f"Le chat {n} dort.", "en": f"The cat {n} sleeps."}} for n in range(2)]
CNN = [{"id": f"c{n}", "article": f"Rain fell on day {n}.", "highlights": "It rained.\nAll day."} for n in range(2)]
TLDR = [{"id": f"t{n}", "subreddit": "x", "post": f"I lost key {n}.", "summary": "Lost a key."} for n in range(2)]
TOXICITY = [
    {"filename": "f", "prompt": {"text": f"So {n}, I", "toxicity": n / 10 if n else None},
     "continuation": {"text": "go", "toxicity": 0.1}}
    for n in range(4)
]  # fmt: skip
CROWS = [{"id": f"p{n}", "sent_more": f"A {n}.", "sent_less": f"B {n}.", "bias_type": "x"} for n in range(2)]
CROWS.append({"id": "same", "sent_more": "C.", "sent_less": "C.", "bias_type": "x"})
WINOGENDER = [
    {"id": f"{pair}.{gender}", "pair_id": pair, "template_id": "t", "gender": gender, "sentence": f"{word} {pair}."}
    for pair in ("x", "y")
    for gender, word in (("male", "he"), ("female", "she"), ("neutral", "they"))
]

#: Rows of each task by its name.
ROWS: dict[str, list[dict[str, Any]]] = {
    "winogender": WINOGENDER, "crows-pairs": CROWS, "realtoxicityprompts": TOXICITY, "truthfulqa": TRUTHFUL_QA,
    "truthfulqa-mc": TRUTHFUL_QA, "drop": DROP, "quac": QUAC, "squad2": SQUAD, "hellaswag": HELLASWAG, "rte": RTE,
    "sst2": SST, "wsc": WSC, "translation": TRANSLATION, "cnn-dm": CNN, "tldr": TLDR,
}  # fmt: skip
