"""Phrases that should make a reader careful, by kind; letter case does not matter."""

from typing import Final

RED_FLAGS: Final = (
    r"\b(?:rock\s?star|ninja|guru|unicorn|Alleskönner)s?\b",
    r"(?:we(?:['’]re| are) (?:like )?(?:a|one big) family|like a family|wie eine (?:große )?Familie|(?:somos )?(?:como )?una (?:gran )?familia|(?:comme )?une (?:grande )?famille)",
    r"work hard,?\s+play hard",
    r"\bunpaid\b[^.\n]{0,40}|\bunbezahlt\w*[^.\n]{0,40}|\bno remunerad[oa]s?\b|\bnon rémunéré\w*\b|\bohne Vergütung\b|\bsin sueldo\b",
    r"commission[- ]only|(?:nur|rein(?:e|er)?)\s+(?:auf\s+)?(?:Provision\w*|provisionsbasiert\w*)|s[óo]lo (?:a )?comisi[óo]n(?:es)?|uniquement (?:à la|sur) commission|100 ?% commission",
    r"(?:application|registration|training|starter|background[- ]check)\s+(?:fee|kit fee|deposit)[^.\n]{0,40}|pay (?:a|an) (?:upfront|refundable)[^.\n]{0,40}|(?:tasa|cuota) de inscripción|frais de (?:dossier|formation)[^.\n]{0,30}|Kaution[^.\n]{0,30}|(?:Anmelde|Schulungs)gebühr[^.\n]{0,30}",
    r"(?:send|provide|share|email)\s+(?:us\s+)?(?:your\s+)?(?:bank (?:account|details)|passport|credit card|social security number)[^.\n]{0,40}|Bankdaten|datos bancarios|coordonnées bancaires|copia de (?:tu|su) DNI",
    r"(?:available|availability|reachable|erreichbar|disponible|disponibilidad|disponibilité)\s*(?:around the clock|24/7|rund um die Uhr|las 24 horas|(?:24 ?h(?:/24)?)(?:,? 7j?/7)?|at all times|jederzeit|total)",
    r"(?:unlimited|frequent|regular|unpaid|regelmäßige|unbezahlte|häufige)\s+(?:overtime|Überstunden)|overtime is expected|Überstunden (?:werden vorausgesetzt|sind (?:mit dem Gehalt )?abgegolten)|horas extras? (?:no pagadas|frecuentes)|heures supplémentaires (?:fréquentes|non payées)",
    r"(?:we expect|expect(?:ed)? to work|occasional|including) (?:long hours|(?:evenings?|nights?)(?: and|,)? (?:weekends?)?)[^.\n;]{0,40}|on ne compte pas (?:ses|vos) heures|ambiance familiale[^.\n]{0,40}|no clock[- ]watchers|always on\b|at all times\b",
    r"(?:we(?:['’]re| are) )?a family here|we treat each other like family|familiäre[sr]? (?:Atmosphäre|Miteinander)",
    r"(?:unlimited|uncapped|unbegrenzte|ilimitad[oa]s?|illimité\w*)\s+(?:earning|income|Verdienst\w*|commission|ingresos|revenus|potential)\w*[^.\n;,]{0,30}",
    r"100 ?% (?:commission|provision|comisión)",
    r"(?:an? )?hustler\b[^.\n,;]{0,40}|never takes? no for an answer",
    r"no (?:experience|interview|cv)[^.\n;]{0,20},? no (?:experience|interview|cv)[^.\n]{0,20}|(?:keine|ohne) Vorkenntnisse (?:nötig|erforderlich)[^.\n]{0,20}schon[^.\n]{0,50}",
    r"(?:cash|deposit) (?:a|the|this|it|our) ?(?:che(?:ck|que))?[^.\n]{0,20}(?:forward|send|wire|transfer)[^.\n]{0,50}|(?:wire|forward|transfer) (?:the|part of the) (?:balance|money|funds)[^.\n]{0,40}",
    r"(?:text|message|contact|write)[^.\n]{0,20}(?:on|via|by|through) (?:Telegram|WhatsApp)(?: only)?|(?:per|über) (?:Telegram|WhatsApp)(?=[^.\n]{0,30}keine)",
    r"(?:starter|start|welcome)[- ]?(?:kit|paket|pack)\w*[^.\n]{0,12}(?:\d+|€|\$)[^.\n]{0,40}|(?:buy|purchase|pay for) your own (?:stock|kit|equipment|training)",
    r"no mayores de \d{2}(?: años)?|edad (?:máxima|entre)[^.\n]{0,25}|buena presencia|soltera?s? y sin hijos",
    r"wear(?:s)? (?:many|multiple) hats",
    r"(?:high[- ]pressure|thrive under (?:constant )?pressure|hohe Stressresistenz|Belastbarkeit auch an Wochenenden|resistencia al estrés|résistance au stress)",
    r"(?:young|junges|joven|jeune)\s+(?:and\s+(?:hungry|dynamic)\s+team|(?:und\s+\w+\s+)?Team\b|y dinámico equipo|équipe)|equipo joven|équipe jeune",
    r"(?:under|max(?:imum)?\.?|maximal|no older than|hasta|moins de)\s+(?:3[05]|40)\s+(?:years old|Jahre alt|años de edad|ans d['’]âge)",
    r"whats\s?app only|nur (?:über|per) WhatsApp|s[óo]lo por WhatsApp|uniquement (?:par|sur) WhatsApp|contact (?:us )?(?:only )?(?:on|via) (?:WhatsApp|Telegram)",
    r"(?:guaranteed|garantierte\w*|garantizados?|garantis?)\s+(?:income|earnings|Einkommen|Verdienst|ingresos|revenus)|earn up to [^.\n]{3,40} (?:a|per) (?:day|week)|get rich|schnelles Geld|dinero fácil",
    r"must be willing to work (?:weekends|nights|holidays)[^.\n]{0,40}|no work[- ]life balance",
)  # fmt: skip
