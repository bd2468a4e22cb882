# ruff: noqa: RUF001 - dashes, quotes and signs of typeset text are what is meant
"""Words that tell a field, in English, German, Spanish, French (and some of Dutch, Italian, Portuguese).

Each table is tried in order; the first pattern of a value that matches wins over later values only by its order
here, which puts the more specific first.
"""

from typing import Final

REMOTE: Final[tuple[tuple[str, str], ...]] = (
    ("onsite", r"(?:no|not|kein(?:e|en)?|ohne|sin|pas de|aucun)\s+(?:\w+\s+)?(?:remote|home[- ]?office|homeoffice|teletrabajo|télétravail|working from home)(?:\s+(?:work|possible|working|option\w*|arbeit))?"),
    ("onsite", r"remote(?:\s+work(?:ing)?)?\s+is\s+not\s+(?:possible|offered|available)"),
    ("hybrid", r"\bhybrid(?:es|e|er|en|o|a|ride|)?\b|\bhíbrid[oa]s?\b|\bhybride\b|\bibrido\b"),
    ("hybrid", r"\b(?:\d|one|two|three|four|zwei|drei|vier|dos|tres|deux|trois|twee|drie)(?:\s*(?:-|to|bis|a|à|or|oder)\s*\w+)?\s+(?:days?|Tage?n?|días?|jours?|dagen)\s+(?:[^\s.;]+\s+){0,5}?(?:office|Büro|oficina|bureau|Home[- ]?Office|remote|home|télétravail|teletrabajo|thuis|kantoor)\b"),
    ("hybrid", r"\b(?:partly|partially|teilweise|anteilig|partiellement|parcialmente)\s+(?:remote|home[- ]?office|mobil\w*|en télétravail|en remoto)"),
    ("hybrid", r"\btélétravail partiel\b|\bteletrabajo parcial\b|\bmobiles Arbeiten\s+(?:teilweise\s+)?möglich\b|\bHome[- ]?Office[- ](?:Anteil|Tage|möglich|Option)\w*"),
    ("remote", r"\b(?:fully|100\s?%|completely|entirely|vollständig|komplett|totalmente|entièrement|full|volledig)[- ]?\s*(?:remote|remoto|remota|Home[- ]?Office|en remoto|à distance|en télétravail|télétravail|op afstand)\b"),
    ("remote", r"\bremote[- ](?:first|only|friendly)\b|\bwork(?:ing)? from (?:anywhere|home)\b|\btélétravail (?:complet|total|intégral)\b|\bteletrabajo (?:completo|total)\b|\btrabajo (?:100 ?% )?(?:en )?remoto\b|\b(?:poste|travail) à distance\b|\bvon überall\b|\bdesde cualquier lugar\b"),
    ("onsite", r"\bon[- ]?site\b|\bin[- ]office\b|\bin[- ]person\b|\boffice[- ]based\b|\bvor Ort\b|\bpresencial(?:es)?\b|\bsur (?:place|site)\b|\bprésentiel(?:le)?\b|\bop locatie\b|\bin sede\b|\bPräsenz(?:arbeit|pflicht|tätigkeit)?\b|\bat our (?:office|clinic|store|warehouse|site|plant)\b"),
    ("remote", r"\bremote\b|\bteletrabajo\b|\btélétravail\b|\bHome[- ]?Office\b|\btelecommut\w+\b|\bremoto\b"),
)  # fmt: skip

EMPLOYMENT: Final[tuple[tuple[str, str], ...]] = (
    ("internship", r"\binternship\b|\bintern\b|\bPraktik(?:um|ant\w*)\b|\bWerkstudent\w*\b|\bprácticas\b|\bbecari[oa]\b|\bstage\b(?=\s+(?:de|en|à|\(|-|–|conventionné|\d))|\bstagiaire\b|\btirocinio\b|\bestágio\b"),
    ("apprenticeship", r"\bapprentice(?:ship)?\b|\b(?<!abgeschlossene )Ausbildung\s+(?:zum|zur)\b|\bAuszubildende\w*\b|\bAzubi\b|\balternance\b|\bapprenti(?:e|ssage)?\b|\bformación profesional dual\b"),
    ("freelance", r"\bfreelanc\w+\b|\bfreiberuflich\w*\b|\bautónom[oa]s?\b(?!\s+(?:y|e)\b)|\bindépendant\b|\bself-employed\b"),
    ("temporary", r"\btemporary\b|\bseasonal\b|\bfixed[- ]term\b|\bbefristet\w*\b|\bElternzeitvertretung\b|\btemporal\b|\bduración determinada\b|\bCDD\b|\bintérim\w*\b|\bmaternity cover\b|\btijdelijk\b"),
    ("contract", r"\b(?:\d+[- ]month|six[- ]month|twelve[- ]month)\s+contract\b|\bcontractor\b|\bcontract role\b|\bcontract position\b|\bcontract\s*\(|\bcontract basis\b|\bday[- ]rate contract\b|\b(?:inside|outside) IR35\b|\bpor proyecto\b"),
    ("part_time", r"\bpart[- ]?time\b|\bTeilzeit\b|\btiempo parcial\b|\bmedia jornada\b|\bjornada parcial\b|\btemps partiel\b|\bdeeltijd\b|\bpart time\b|\bmini[- ]?job\b|\b(?:1[0-9]|2[0-9])\s*(?:hours|Stunden|horas|heures|Std\.?)\s*(?:a|per|pro|por|par|/)\s*(?:week|Woche|semana|semaine)"),
    ("full_time", r"\bfull[- ]?time\b|\bVollzeit\b|\btiempo completo\b|\bjornada completa\b|\btemps plein\b|\bvoltijd\b|\bfulltime\b|\btempo pieno\b|\bunbefristet\w*\b|\bpermanent\b|\bCDI\b|\bindefinido\b|\b(?:3[5-9]|40)\s*(?:hours|Stunden|horas|heures|Std\.?|uur)\s*(?:a|per|pro|por|par|/)\s*(?:week|Woche|semana|semaine)"),
)  # fmt: skip

SENIORITY: Final[tuple[tuple[str, str], ...]] = (
    ("intern", r"\bintern(?:ship)?\b|\bPraktik(?:um|ant\w*)\b|\bWerkstudent\w*\b|\bbecari[oa]\b|\bstagiaire\b|\btrainee\b"),
    ("executive", r"\b(?:CTO|CEO|CFO|COO|CMO|CIO|CPO|VP|Vice President|Chief \w+ Officer|Managing Director|Geschäftsführer\w*|Director of \w+|Head of \w+|Directeur\w*|Director\w* (?:de|general)\b|Direktor\w*|Bereichsleit\w+|Head)\b"),
    ("lead", r"\b(?:lead|tech lead|team lead|principal|staff|Teamleit\w*|Leiter\w*|Leitung|jefe de equipo|responsable (?:de|d')|líder|chef d['’]équipe|leading|Leitende\w*|manager|encargad[oa])\b"),
    ("senior", r"\b(?:senior|sr\.?|sénior|erfahren\w*|experimentad[oa]|expérimentée?|confirmée?)\b"),
    ("junior", r"\b(?:junior|jr\.?|entry[- ]level|graduate|Berufseinsteiger\w*|Berufsanfänger\w*|recién (?:graduad|titulad)[oa]s?|débutante?|Absolvent\w*|new grad)\b"),
    ("mid", r"\b(?:mid[- ]?level|mid[- ]senior|intermediate|medior|nivel medio|intermédiaire)\b|\bmid\b(?=\s*[-/,)])"),
)  # fmt: skip

LANGUAGES: Final[tuple[tuple[str, str], ...]] = (
    ("English", r"English|Englisch\w*|inglés|inglesa|anglais\w*|Engels\w*|inglese|inglês"),
    ("German", r"German|Deutsch\w*|alemán|alemana|allemand\w*|Duits\w*|tedesco"),
    ("Spanish", r"Spanish|Spanisch\w*|español|castellano|espagnol\w*|Spaans"),
    ("French", r"French|Französisch\w*|francés|français\w*|Frans"),
    ("Italian", r"Italian|Italienisch\w*|italiano|italien\w*"),
    ("Portuguese", r"Portuguese|Portugiesisch\w*|portugués|portugais\w*"),
    ("Dutch", r"Dutch|Niederländisch\w*|neerlandés|holandés|néerlandais\w*|Nederlands"),
    ("Polish", r"Polish|Polnisch\w*|polaco|polonais\w*"),
    ("Czech", r"Czech|Tschechisch\w*|checo|tchèque"),
    ("Swedish", r"Swedish|Schwedisch\w*|sueco|suédois\w*"),
    ("Norwegian", r"Norwegian|Norwegisch\w*|noruego|norvégien\w*"),
    ("Danish", r"Danish|Dänisch\w*|danés|danois\w*"),
    ("Finnish", r"Finnish|Finnisch\w*|finlandés|finnois"),
    ("Arabic", r"Arabic|Arabisch\w*|árabe|arabe"),
    ("Mandarin", r"Mandarin|Chinese|Chinesisch\w*|chino|chinois\w*"),
    ("Japanese", r"Japanese|Japanisch\w*|japonés|japonais\w*"),
    ("Russian", r"Russian|Russisch\w*|ruso|russe"),
    ("Ukrainian", r"Ukrainian|Ukrainisch\w*|ucraniano|ukrainien\w*"),
    ("Turkish", r"Turkish|Türkisch\w*|turco|turc"),
    ("Hindi", r"Hindi"),
    ("Catalan", r"Catalan|Katalanisch\w*|catalán|català"),
    ("Basque", r"Basque|euskera"),
)  # fmt: skip

LANGUAGE_CUES: Final = (
    r"fluent|fluency|fluently|spoken|written|speak\w*|native|proficien\w+|business[- ]level|working knowledge|level|knowledge|language\w*|skills|command|conversational|"
    r"fließend\w*|verhandlungssicher\w*|Kenntnisse|kenntnisse|Muttersprach\w*|sprich\w*|sprech\w*|Niveau|sehr gut\w*|gut\w*|in Wort und Schrift|sicher\w*|"
    r"fluid[oa]|nivel|idiomas?|hablad[oa]|hablar|nativ[oa]|avanzado|alto|dominio|imprescindible|valorable|"
    r"courant|courante|parlé|parler|maîtrise|maîtrisez|langues?|niveau|natif|bilingue|professionnel|exigé\w*|lu, écrit|"
    r"[ABC][12]\b|vloeiend|fluente|is required|is a plus|required|a plus|essential|von Vorteil|erforderlich"
)

EDUCATION: Final = (
    r"(?:[Aa]bgeschlossenes?\s+)?(?:(?:Fach)?[Hh]ochschul|[Uu]niversitäts)?[Ss]tudium\b(?:\s+(?:der|des|in|im Bereich|mit)\s+[^.,;\n(]{3,60})?",
    r"(?:[Aa]bgeschlossene\s+)?(?:[Bb]erufs)?[Aa]usbildung\s+(?:als|zum|zur|im|in der)\s+[^.,;\n(]{3,50}",
    r"(?:a\s+)?(?:Bachelor(?:['’]s)?|Master(?:['’]s)?|BSc|MSc|B\.Sc\.?|M\.Sc\.?|BA|MBA|PhD|Ph\.D\.?|Doctorate|University|undergraduate|postgraduate|college)(?:\s+or\s+(?:Master(?:['’]s)?|PhD))?(?:\s+(?:degree|diploma))?(?:\s+(?:in|of)\s+[^.,;\n(]{3,60})?",
    r"(?:a\s+)?degree\s+in\s+[^.,;\n(]{3,60}",
    r"(?:high[- ]school diploma|GED|A[- ]levels|GCSEs?|Abitur|Fachabitur|Bachillerato|baccalauréat)\b",
    r"(?:[Gg]rado|[Ll]icenciatura|[Ii]ngeniería|[Tt]itulación(?:\s+\w+)?|[Ff]ormación profesional|[Mm]áster|[Dd]octorado)\s+(?:universitari[oa]\s+)?(?:en|de|superior)\s+[^.,;\n(]{3,60}",
    r"(?:[Dd]iplôme|[Ll]icence|[Mm]aster|[Dd]octorat|BTS|DUT|[Éé]cole d['’]ingénieurs?|[Ff]ormation)\s+(?:d['’]|en|de|type|supérieure?)\s*[^.,;\n(]{3,60}",
    r"\bBac\s?\+\s?\d\b(?:\s+(?:en|minimum)\s*[^.,;\n(]{0,50})?",
)

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
    r"wear (?:many|multiple) hats",
    r"(?:high[- ]pressure|thrive under (?:constant )?pressure|hohe Stressresistenz|Belastbarkeit auch an Wochenenden|resistencia al estrés|résistance au stress)",
    r"(?:young|junges|joven|jeune)\s+(?:and\s+(?:hungry|dynamic)\s+team|(?:und\s+\w+\s+)?Team\b|y dinámico equipo|équipe)|equipo joven|équipe jeune",
    r"(?:under|max(?:imum)?\.?|maximal|no older than|hasta|moins de)\s+(?:3[05]|40)\s+(?:years old|Jahre alt|años de edad|ans d['’]âge)",
    r"whats\s?app only|nur (?:über|per) WhatsApp|s[óo]lo por WhatsApp|uniquement (?:par|sur) WhatsApp|contact (?:us )?(?:only )?(?:on|via) (?:WhatsApp|Telegram)",
    r"(?:guaranteed|garantierte\w*|garantizados?|garantis?)\s+(?:income|earnings|Einkommen|Verdienst|ingresos|revenus)|earn up to [^.\n]{3,40} (?:a|per) (?:day|week)|get rich|schnelles Geld|dinero fácil",
    r"(?:ignore|disregard|forget)\s+(?:all\s+|any\s+)?(?:previous|prior|above|earlier)\s+(?:instructions?|prompts?|rules)[^.\n]{0,80}|(?:ignoriere|vergiss)\s+(?:alle\s+)?(?:vorherigen|bisherigen)\s+Anweisungen[^.\n]{0,60}|ignora\s+(?:todas\s+)?las instrucciones[^.\n]{0,60}|ignore[zr]?\s+(?:toutes\s+)?les instructions[^.\n]{0,60}",
    r"must be willing to work (?:weekends|nights|holidays)[^.\n]{0,40}|no work[- ]life balance",
)  # fmt: skip

PREFERRED: Final = (
    r"nice[- ]to[- ]have|preferred|bonus(?: points)?(?! of)|a plus\b|is a plus|desirable|would be (?:great|nice|an advantage)|an advantage|advantageous|ideally|optional\w*|good to have|"
    r"wünschenswert|von Vorteil|idealerweise|gern(?:e)? gesehen|Pluspunkt\w*|plus\b|das wäre (?:toll|schön)|"
    r"valorable|se valora(?:rá)?|deseable|será un plus|"
    r"apprécié\w*|souhaité\w*|serait un (?:plus|atout)|est un (?:plus|atout)|un atout|atouts|idéalement|un plus|pré"
)
REQUIRED: Final = (
    r"requirements?|required|must[- ]haves?|you (?:have|bring|know|need)|what you bring|your profile|qualifications|skills|we expect|"
    r"Anforderungen|dein Profil|Ihr Profil|du bringst|Sie bringen|Voraussetzung\w*|das bringst du mit|Muss|erforderlich|"
    r"requisitos|se requiere|imprescindible|buscamos|perfil|"
    r"profil|compétences|requis|exigé\w*|vous (?:maîtrisez|avez)|prérequis"
)

ROLE: Final = (
    r"engineer|developer|programmer|architect|analyst|scientist|designer|manager|administrator|consultant|specialist|technician|"
    r"assistant|accountant|nurse|teacher|driver|chef|cook|barista|writer|editor|recruiter|lead|director|officer|representative|"
    r"coordinator|operator|researcher|tester|clerk|mechanic|electrician|intern|internship|devops|sre|head of \w+|bookkeeper|receptionist|apprentice|cto|"
    r"entwickler\w*|ingenieur\w*|softwareentwickler\w*|berater\w*|leiter\w*|kaufmann|kauffrau|pfleger\w*|krankenpfleger\w*|pflegefachkraft|techniker\w*|"
    r"sachbearbeiter\w*|buchhalter\w*|praktikant\w*|praktikum|werkstudent\w*|fachkraft|fahrer\w*|mechatroniker\w*|elektroniker\w*|lehrer\w*|erzieher\w*|verkäufer\w*|koch|köchin|referent\w*|"
    r"lagerist\w*|ausbildung|controller\w*|"
    r"ingenier[oa]|desarrollador\w*|programador\w*|analista|diseñador\w*|gerente|técnic[oa]|enfermer[oa]|contable|consultor\w*|"
    r"comercial|jefe|jefa|camarer[oa]|cociner[oa]|profesor\w*|administrativ[oa]|director\w*|científic[oa]|becari[oa]|conductor\w*|responsable|dependient[ae]|"
    r"ingénieure?|développeu(?:r|se)|concepteur|analyste|chef|cheffe|infirmi(?:er|ère)|comptable|technicien(?:ne)?|vendeu(?:r|se)|"
    r"chargée?|assistante?|gestionnaire|cuisini(?:er|ère)|serveu(?:r|se)|conseill(?:er|ère)|professeure?|stagiaire|chauffeur|apprentie?|data scientist|product owner|scrum master|"
    r"ontwikkelaar|medewerker|verpleegkundige|sviluppatore|impiegat[oa]|engenheir[oa]|desenvolvedor\w*"
)
