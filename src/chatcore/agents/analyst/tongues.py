"""Whether a question is in another language than English, the only one that is read. Pure.

A word of another language may be a name here: ``pro`` is a word of German and a part of many a model's name. So a
question in another language is told before any of its words is looked for in the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from chatcore.agents.analyst.language import Word
from chatcore.agents.analyst.lexicon import KNOWN


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FOREIGN = (
    _words("""
    wie viel viele haben hat wir ich sie ist sind war waren das der die den dem ein eine einen und oder für von vom mit
    nach letzten letzte letzter im zum zur was welche welches welcher wer kosten kostet kostete ausgaben ausgegeben
    ausgeben bezahlt geld monat monate monatlich jahr jahre woche tag tage pro modell modelle nutzer teuerste teuersten
    teuer günstigste anfragen aufrufe gesamt insgesamt unsere unser bitte zeige januar februar märz mai juni juli
    oktober dezember
    combien avons nous avez vous dépensé dépense dépenses coût coûts coûte coûté coute cout prix le la les des du par
    pour quel quelle quels quelles est plus cher chère mois année semaine jour modèle modèles utilisateur dernier
    dernière notre nos janvier février mars avril juin juillet août septembre octobre novembre décembre
    cuánto cuanto cuántos cuantos gastamos gastado gasto gastos hemos costo costos coste costes cuesta costó precio el
    los las del por qué cuál cual mes meses año semana día modelo modelos usuario último última nuestro enero febrero
    marzo abril mayo junio julio agosto septiembre noviembre diciembre más caro
    quanto abbiamo speso spesa spese costi prezzo della nel per quale mese anno settimana giorno modello modelli utente
    gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
    quanto gastámos custo custos preço mês ano usuário gastei fevereiro março maio junho julho setembro outubro
    dezembro
    hoeveel hebben wij uitgegeven kostte maand jaar welk het een van gebruiker
    """)
    - KNOWN
)
"""Words of German, French, Spanish, Italian, Portuguese and Dutch that a question about spend is likely to have."""

_OTHER_LETTERS = re.compile(r"[^\W\d_a-zA-ZÀ-ɏ]{2,}|[぀-ヿ㐀-鿿가-힯]")
"""Letters of another script than Latin; a single one may be a sign."""

_TWO = 2
_FEW_WORDS = 4


def is_foreign(text: str, words: Iterable[Word], vocabulary: frozenset[str]) -> bool:
    """Whether a question is in another language.

    Args:
        text: of the question.
        words: of it.
        vocabulary: words of the data, which may be of any language: they are names.
    """
    if _OTHER_LETTERS.search(text):
        return not any(letters in vocabulary for letters in _OTHER_LETTERS.findall(text.lower()))
    written = [word.original.lower() for word in words]
    strange = {word for word in written if word in _FOREIGN}
    enough = len(strange) >= _TWO or len(written) <= _FEW_WORDS
    return bool(strange - vocabulary) and enough and 2 * len(strange) >= _english(written)


def _english(written: Iterable[str]) -> int:
    """How many words are English as they are written."""
    return sum(word in KNOWN for word in written)
