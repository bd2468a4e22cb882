"""Where rules end, and what they must not take for something else: in each case a wrong value would have no sign of being one."""

import asyncio
from typing import Any

import pytest

from ai.analysis import JobAnalyzer
from ai.analysis.posting.languages import unread_language
from ai.analysis.posting.text import plain_text
from ai.analysis.rules import Draft, extract
from ai.evaluation import load_postings
from ai.shapes.posting import JobAnalysisResult

KOREAN = "[주식회사 한빛] 백엔드 개발자 채용\n업무 내용: 자사 서비스 개발\n필수 기술: TypeScript, React, 경력 3년 이상\n근무지: 서울"
RUSSIAN = "Инженер данных в компанию Ромашка\nТребования: Python, SQL, опыт от трёх лет\nМесто работы: Казань, офис"
CHINESE = "诚聘数据工程师\n公司:北方科技有限公司\n要求:Python、SQL,三年以上工作经验\n工作地点:广州"
SWEDISH = (
    "Vi söker en dataingenjör till vårt kontor. Du kommer att arbeta med Python och SQL hos oss, och det är bra om du har "
    "erfarenhet av molntjänster för större system. Vi är en del av en växande koncern som har kontor inom hela landet."
)


def analysed(text: str) -> JobAnalysisResult:
    """By rules alone."""
    return asyncio.run(JobAnalyzer().analyze(text))


@pytest.mark.parametrize(
    ("text", "name"), [(KOREAN, "Korean"), (RUSSIAN, "Cyrillic"), (CHINESE, "Chinese"), (SWEDISH, "Swedish")]
)
def test_a_language_that_is_not_understood_says_so(text: str, name: str) -> None:
    """In other letters nothing is guessed; in Latin ones what was found is to be checked."""
    result = analysed(text)
    assert any(name in note for note in result.provenance.notes)
    assert result.provenance.language is None
    if text is not SWEDISH:
        assert (result.title, result.company, result.locations, result.skills_required) == (None, None, [], [])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Etsimme kehittäjää Tampereelle. Osaat Pythonia ja Djangoa. Palkka 4000 euroa kuukaudessa.", "Finnish"),
        ("Ankara'da çalışacak geliştirici aranıyor. Tercih sebebi: Docker.", "Turkish"),
        ("Fejlesztőt keresünk Budapestre. Elvárások: C#. Előny: Azure. Bruttó 900 000 Ft.", "Hungarian"),
        ("Poszukujemy programisty w Krakowie. Mile widziane: Docker.", "Polish"),
        ("Tunatafuta mhandisi wa programu mwenye uzoefu wa miaka mitatu hapa. Mshahara ni shilingi laki mbili kwa mwezi kwa kila mfanyakazi mpya.", "another"),
    ],
)  # fmt: skip
def test_a_few_words_of_another_language_say_so_and_so_does_what_is_no_posting(text: str, name: str) -> None:
    """What the rules find there is to be checked; no terms are read from another language's words."""
    result = analysed(text)
    assert any(name in note for note in result.provenance.notes)
    assert result.employment_type is None
    letter = analysed("Dear Anna, thank you for the evening in Paris. I will bring the soup on Sunday.")
    assert any("not read like a job posting" in note for note in letter.provenance.notes)


def test_known_languages_are_not_doubted() -> None:
    """None of the labelled postings, in whatever language the rules know, is taken for another."""
    known = [p for p in load_postings() if p.language in {"en", "de", "fr", "es", "pt", "nl", "it"}]
    assert [p.id for p in known if unread_language(plain_text(p.text).text) is not None] == []
    assert unread_language("Python 和 SQL") is None, "two characters tell nothing"


def values(hits: list[Any]) -> list[str]:
    """What was found."""
    return [str(hit.value) for hit in hits]


def lines(*requirements: str) -> Draft:
    """A posting with these requirements."""
    listed = "\n".join(f"- {r}" for r in requirements)
    return extract(f"Office Manager\nAcorn Ltd, Leeds\n\nRequirements:\n{listed}\n")


@pytest.mark.parametrize(
    "nothing",
    ["No coding", "no SAP", "You don't need Kafka", "Kafka is not required", "Keine Programmierkenntnisse in COBOL nötig", "Attention to detail", "Keine Programmierung", "Sin programación", "Apply by 31 January", "Send us your CV", "Start 3. März"],
)  # fmt: skip
def test_what_is_not_asked_for_is_no_skill(nothing: str) -> None:
    """What is not needed, and what to do next, stand in such lists, too."""
    assert values(lines("Excel", nothing, "Python").skills_required) == ["Excel", "Python"]


@pytest.mark.parametrize(
    "clause",
    ["Python is a must, Terraform would be great.", "Terraform wäre ideal.", "Terraform is welcome.", "Terraform and Kafka are also welcome.", "Terraform ist gern willkommen.", "Terraform or Kafka would be a bonus."],
)  # fmt: skip
def test_welcome_is_not_required(clause: str) -> None:
    """In a clause of its own; a greeting is no such clause."""
    found = lines("Python", clause)
    assert "Terraform" in values(found.skills_preferred)
    assert values(found.skills_required) == ["Python"]
    assert values(extract("Welcome to Acorn.\nWe need Python and SQL.").skills_required) == ["Python", "SQL"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("[Remote] Data Engineer\nAcorn Ltd", "Data Engineer"),
        ("Teaching Assistant (SEN)\nAcorn School", "Teaching Assistant (SEN)"),
        ("Wir suchen eine/n Entwickler/in (Java) (m/w/d) in Ulm", "Entwickler/in (Java)"),
        ("Data Engineer (6 months)\nAcorn Ltd", "Data Engineer"),
        ("Head Chef required at The Copper Kettle, Bath.", "Head Chef"),
        ("Join Acorn Labs as our first Data Scientist.", "Data Scientist"),
        ("Wir suchen eine Assistenz der Geschäftsleitung 80-100%.", "Assistenz der Geschäftsleitung"),
        ("*** URGENT *** TRUCK DRIVER *** URGENT ***\nPLACE: LEEDS", "TRUCK DRIVER"),
        ("Poste : Technicien·ne de maintenance (H/F)\nLieu : Nantes", "Technicien·ne de maintenance"),
        ("Data Engineer · Leeds · Acorn Ltd", "Data Engineer"),
        ("Gezocht: Kok (32 uur)\nRestaurant De Eik, Breda", "Kok"),
        ("L'Atelier Bleu recrute un(e) chargé(e) de communication en CDD à Nantes.", "chargé(e) de communication"),
        ("Nous cherchons un(e) vendeur(se) à Lyon.", "vendeur(se)"),
        ("Contract: Data Engineer (dbt)\nClient: Acorn Energy", "Data Engineer (dbt)"),
        (
            "I run a small studio and look for a freelance 3D animator for roughly two days a week.",
            "freelance 3D animator",
        ),
        ("Cerchiamo un/una Analista Funzionale per la sede di Torino di Quercia S.r.l.", "Analista Funzionale"),
    ],
)
def test_a_title_is_not_cut_at_signs_within_it(text: str, title: str) -> None:
    """Signs between words part cells; brackets before, and cries around a title, are no part of it."""
    hit = extract(text).title
    assert hit is not None
    assert hit.value == title


def test_tasks_and_employers_are_no_towns() -> None:
    """A list of tasks near the title, and a name with a legal form behind it."""
    text = "Sachbearbeiter (m/w/d)\nIhre Aufgaben: Ablage, Mahnwesen, Vorbereitung von Sitzungen.\nEiche GmbH"
    assert values(extract(text).locations) == []
    spanish = extract("Se busca Cocinero/a para Sierra Clara, S.L. (Albacete).")
    assert values(spanish.locations) == ["Albacete"]
    assert spanish.company is not None
    assert str(spanish.company.value).startswith("Sierra Clara")
    italian = extract("Ricerchiamo un/una Cuoco per la sede di Torino di Quercia S.r.l.")
    assert italian.company is not None
    assert italian.company.value == "Quercia S.r.l."


def test_a_list_ends_where_something_else_begins() -> None:
    """A label or a sentence of its own below a list, what is not asked for, and schooling are no skills."""
    found = lines(
        "C, C++", "BS in Physics", "Python\nMore information: Birch Search\nEqual Opportunity Employer. Call us."
    )
    assert values(found.skills_required) == ["C", "C++", "Python"]
    assert found.education is not None
    assert found.education.value == "BS in Physics"
    unasked = extract("Clerk\nAcorn Ltd\nSkills: Excel, Word\nNot required: Accounting\nWhat we'd love: SAP, Python")
    assert values(unasked.skills_required) == ["Excel", "Word"]
    assert values(unasked.skills_preferred) == ["SAP", "Python"]
    german = extract("Pfleger (m/w/d)\nProfil: Ausbildung in der Pflege, Freude an Menschen, Word kennst du schon?")
    assert german.education is not None
    assert german.education.value == "Ausbildung in der Pflege"
    assert values(german.skills_required) == ["Word"]


@pytest.mark.parametrize(
    ("text", "company", "places"),
    [
        ("Nurse\nSt. Agnes Hospital, Dublin", "St. Agnes Hospital", ["Dublin"]),
        ("Role: Clerk\nEmployer: Ash & Sons (Timber) Ltd\nOffice: Leeds", "Ash & Sons (Timber) Ltd", ["Leeds"]),
        ("Wir suchen einen Koch. Arbeitgeber: Eiche GmbH.", "Eiche GmbH", []),
        ("Für unser Büro in Ulm suchen wir einen Koch.", None, ["Ulm"]),
        ("Leiter IT\nEin Kunde in Reutlingen, sucht Sie.\nAuskunft: Personalberatung Birke, Stuttgart", None, []),
        ("Packer\nLocation: Acorn Center, 4410 Poe Ave, Dayton, OH 45414", None, ["Dayton"]),
        ("We look for a Clerk to join the Acorn team.\nExperience with WebAssembly is a bonus.", None, []),
        ("Cook required at The Blue Pot, Bath.", "Blue Pot", ["Bath"]),
        ("Pfleger (m/w/d)\nArbeitgeber: Eiche gGmbH, 99817 Eisenach", "Eiche gGmbH", ["Eisenach"]),
        ("Hello,\nI run a small studio, Tern & Tide, and need an animator.\nBest, Aoife", "Tern & Tide", []),
        ("role: clerk\nwho: Fathom Tides\nwhere: Leeds, in person", "Fathom Tides", ["Leeds"]),
        ("The City of Tacoma is hiring a Clerk.", "City of Tacoma", ["Tacoma"]),
    ],
)
def test_employers_and_towns_are_told_apart(text: str, company: str | None, places: list[str]) -> None:
    """Whole names, no nouns and no towns for employers, and no recruiter's town for the place of work."""
    found = extract(text)
    assert (None if found.company is None else found.company.value) == company
    assert values(found.locations) == places


def test_names_are_found_behind_a_dash_and_after_called() -> None:
    """Where small notices name the employer."""
    for text, name in (
        ("Junior Clerk - Heather Foods, Leeds", "Heather Foods"),
        ("we are a tiny shop in Leeds called Nut & Co and need help on saturdays", "Nut & Co"),
    ):
        hit = extract(text).company
        assert hit is not None
        assert hit.value == name
    assert values(extract("COOK\nPLACE: SWANSEA").locations) == ["Swansea"]


def test_pay_hours_and_letters_are_read_from_short_notices() -> None:
    """Signs of money as a label, hours in brackets, and a skill of one letter that is a line of a list."""
    found = extract("role: ml engineer\n$$$: 180-220k + equity\nstack: pytorch\ncool if you know: Kafka")
    assert found.salary is not None
    assert (found.salary.salary.minimum, found.salary.salary.currency) == (180_000, "USD")
    assert values(found.skills_preferred) == ["Kafka"]
    dollars = extract("Dispatcher\nSalary: $48,900 - $61,400 annually\nPreferred: experience with CAD software").salary
    assert dollars is not None
    assert dollars.salary.currency == "USD"
    hours = extract("Night Care Assistant\nHours: 22:00 to 08:00, 3 nights a week (30 hrs)").employment_type
    assert hours is not None
    assert hours.value == "part_time"
    assert "R" in values(lines("SQL", "R", "Reports").skills_required)
