"""The words by which a posting names its parts, in the languages it may be written in: labels before a value, and headings.

All are beginnings of words unless they end in `$`; letter case does not matter. English, German, French, Spanish, Portuguese, Dutch and Italian,
with the commonest Scandinavian and Polish labels.
"""

from typing import Final

LABELS: Final[dict[str, str]] = {
    "title": (
        "job title|title$|post title|post$|position$|position title|role$|role title|vacancy|vacancy title|opening$|job$|opportunity$|stelle$|stellenbezeichnung|stellentitel|"
        "gesucht|gezocht$|se busca$|wanted$|cercasi$|procura-se$|recherché\\(?e?\\)?$|position$|beruf$|tätigkeit$|poste$|intitulé(?: du poste)?|offre(?: d.emploi)?$|métier$|puesto|vacante|cargo$|oferta(?: de empleo)?$|vaga$|oportunidade$|"
        "cargo$|função$|functie(?:titel|naam)?$|vacature$|posizione$|ruolo$|figura(?: ricercata)?$|mansione$|tjänst|roll$|befattning|stanowisko|"
        "we(?: a|')re hiring$|now hiring$|concours [\\d-]+|profilo ricercato"
    ),
    "company": (
        "company(?: name)?$|employer(?: name)?$|employing (?:body|authority|organi[sz]ation)|organi[sz]ation$|hiring organi[sz]ation|trust$|institution$|client$|firm$|agency$|unternehmen$|arbeitgeber(?:in)?$|"
        "firma$|betrieb$|träger$|wer$|who$|chi$|quién$|qui$|empresa$|compañía$|empleador$|organización$|entreprise$|société$|employeur$|structure$|établissement$|empregador$|"
        "companhia$|bedrijf$|werkgever$|organisatie$|azienda$|società$|datore di lavoro$|arbetsgivare|företag$|firma$|pracodawca"
    ),
    "locations": (
        "location\\(?s?\\)?$|job location|work location|loc$|place(?: of work)?$|workplace$|where$|site$|office$|city$|town$|campus$|base$|based(?: in)?$|duty station|area$|standort(?:e)?$|dienstort|"
        "arbeitsort|einsatzort|ort$|wo$|dienstsitz|ubicación|lugar(?: de trabajo)?$|localidad|ciudad$|sede$|centro de trabajo|"
        "lieux?(?: de travail| d.affectation)?$|localisation|localité|ville$|site$|où$|local(?: de trabalho)?$|localização|cidade$|"
        "locatie$|plaats$|standplaats|werkplek$|luogo(?: di lavoro)?$|sede(?: di lavoro)?$|città$|ort$|arbetsort|placering$|plats$|miejsce pracy|lokalizacja"
    ),
    "salary": (
        "\\x24+$|€+$|£+$|salary(?: range| band| scale)?$|base salary|pay(?: range| rate| scale| and hours)?$|wages?$|compensation$|comp$|remuneration|rate$|hourly rate|day rate|ctc$|budget$|package$|reward$|stipend$|"
        "gehalt|vergütung|lohn|monatslohn|jahreslohn|stundenlohn|lohnband|verdienst|entgelt|wie viel$|bezahlung|kv-mindestgehalt|jahresgehalt|monatsgehalt|"
        "salaire|rémunération|traitement$|échelle salariale|gratification|indemnité$|sueldo|salario|retribución|remuneración|banda salarial|salário|remuneração|vencimento|bolsa$|"
        "salaris|loon$|uurloon|retribuzione|stipendio|ral$|compenso|lön|wynagrodzenie"
    ),
    "employment_type": (
        "contract(?: type)?$|employment(?: type)?$|job type|type$|type of (?:employment|contract)|time type|hours(?: per week)?$|weekly hours|working hours|working pattern|terms$|work type|schedule$|"
        "arbeitszeit|vertragsart|anstellungsart|beschäftigungsart|umfang$|anstellung$|pensum$|vertrag$|contrat|type de contrat|statut$|régime$|temps de travail|durée$|"
        "contrato|tipo de contrato|jornada|horario$|modalidad de contratación|regime$|tipo de contratação|contratação|uren$|dienstverband|contract$|contratto|orario$|inquadramento|"
        "anställningsform|omfattning|wymiar"
    ),
    "remote_policy": (
        "remote$|work mode|working model|workplace type|work arrangement|agile working|flexible working|arbeitsmodell|homeoffice$|télétravail|modalidad(?: de trabajo)?$|modalidade|teletrabajo$|"
        "thuiswerken|smart working|modalità(?: di lavoro)?$|formato$"
    ),
    "years_experience": (
        "experience(?: required)?$|exp$|years of experience|berufserfahrung$|erfahrung$|expérience(?: requise)?$|experiencia(?: mínima| requerida)?$|experiência$|ervaring$|esperienza$"
    ),
    "education": (
        "education$|qualification$|degree$|schooling$|ausbildung$|abschluss$|bildung$|diplôme|formation(?: requise)?$|niveau d.études|escolaridad|formación$|estudios$|titulación|"
        "formação|escolaridade|opleiding(?:sniveau)?$|diploma$|titolo di studio|utbildning|wykształcenie"
    ),
    "languages": "languages?(?: required| skills)?$|sprachen?$|sprachkenntnisse$|langues?$|idiomas?$|talen$|lingue$",
}  # fmt: skip
"""What may stand before a colon (or a table's bar), and the field its value is of."""

HEADINGS: Final[dict[str, str]] = {
    "unasked": (
        "not (?:required|needed|necessary|expected)|no need|you (?:do not|don(?:'|’)?t) need|nicht (?:nötig|notwendig|erforderlich|gefordert)|"
        "nicht brauchst|brauchst du nicht|no (?:es )?(?:necesari|requerid)|pas (?:nécessaire|exigé|requis)|niet nodig|non (?:richiest|necessari)|não (?:é )?necessári"
    ),
    "preferred": (
        "nice|cool if|(?:what )?we(?:(?:'|’)d| would) (?:also )?(?:love|like)|umso besser|welcome$|welcome (?:skills|extras)|willkommen$|bienvenus?$|bonus|plus$|pluses|prefer|desir|even better|extra points|good to have|optional|advantage|useful|would be|ideal(?:ly)?$|wünsch|von vorteil|pluspunkt|kein muss|schön|das wäre|"
        "idealerweise|assets?$|atouts?|souhait|appréci|serait un plus|serait un atout|les plus|valora|se valora|deseab|puntos extra|plus|diferencia|desej|preferencia|valoriza|pré$|"
        "pluspunten|wens|dit is mooi|mooi meegenomen|gradit|requisiti preferenziali|costituisc|titolo preferenziale|meriterande|mile widziane"
    ),
    "offer": (
        "what(?:'|’)?s on offer|what we offer|we offer|our offer|offer|benefit|perks|package|compensation|what you(?:'|’)?ll get|in return|reward|pay|why (?:us|join)|"
        "wir bieten|unser angebot|das angebot|angebot|das bieten|das kriegst|darauf kannst|das erwartet dich bei|deine vorteile|benefits|konditionen|"
        "nous offrons|ce que nous|les conditions|conditions|avantages|on t.offre|ofrecemos|qué ofrec|condiciones|beneficios|oferecemos|condições|benefícios|oferta|"
        "wat bieden|wij bieden|dit bieden|ons aanbod|arbeidsvoorwaarden|offriamo|si offre|cosa offriamo|vi erbjuder|oferujemy"
    ),
    "tasks": (
        "responsib|dut(?:y|ies)|what you(?:(?:'|’)?ll| will) (?:do|be doing)|you(?:'|’)?ll do|you will(?! (?:need|have|bring))|the role|about the (?:role|job|position)|role$|job scope|tasks|your mission|purpose|the opportunity|day to day|key account|"
        "aufgaben|deine aufgaben|ihre aufgaben|deine mission|das erwartet|was dich erwartet|dein job|tätigkeit|missions?|vos missions|votre mission|le poste|ton job|poste$|"
        "funciones|tareas|tu día|responsabilidades|el puesto|misión|atividades|responsabilidade|jouw taken|taken|wat ga je|de functie|functieomschrijving|mansioni|attività|responsabilità|"
        "arbetsuppgifter|obowiązki"
    ),
    "about": (
        "about us|about the (?:company|team)|about (?!you)|who we are|our company|the company|über uns|wir über|wer wir sind|das unternehmen|einleitung|à propos|qui sommes|notre|l.entreprise|quiénes somos|"
        "sobre nosotros|la empresa|sobre a|sobre nós|quem somos|over ons|wie zijn|wie wij|chi siamo|l.azienda|om oss|o nas"
    ),
    "required": (
        "requir|must|mandatory|essential|basic qualif|minimum qualif|qualif|needed|need(?:ed|s)?$|skills|key skills|experience|about you|who you are|who we|what we|you(?:'|’)?ll need|you will need|you bring|you have|you(?: are|'re)|"
        "what you|your profile|your background|your skills|the person|person specification|criteria|candidate|ideal candidate|stack|tech stack|our stack|knowledge|certificat|toolbox|tools|"
        "anforderung|dein profil|ihr profil|profil|das bringst|was du|mitbring|du bringst|sie bringen|voraussetzung|wir erwarten|das zeichnet|qualifikation|kenntnisse|fähigkeit|"
        "musst du|was$|skills|votre profil|compétence|exigence|recherch|prérequis|savoirs|le profil|conditions d.accès|"
        "requisit|perfil|qué buscamos|qué necesit|buscamos|necesit|imprescindib|excluyent|pedimos|conocimientos|exigencias|"
        "obrigatóri|o que esper|esperamos|procuramos|exigid|competências|conhecimentos|wat vragen|wat wij vragen|dit vrag|wij vragen|jouw profiel|profiel|eisen|functie-eisen|wat breng|jij bent|"
        "cosa cerchiamo|cerchiamo|competenze|si richied|richied|profilo|conoscenze|krav|vi söker|wymagania|jouw"
    ),
}  # fmt: skip
"""What a heading says the lines below it are about; tried in this order."""


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
