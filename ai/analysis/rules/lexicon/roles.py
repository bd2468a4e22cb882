"""Words that name what a person is by trade, in the languages postings are written in."""

import re
from typing import Final

_WHOLE: Final = (
    # English
    "engineer|developer|programmer|architect|analyst|scientist|designer|manager|administrator|consultant|specialist|technician|assistant|accountant|nurse|teacher|driver|chef|cook|barista|writer|editor|"
    "recruiter|lead|director|officer|representative|rep|coordinator|co-ordinator|operator|researcher|tester|clerk|mechanic|electrician|intern|internship|devops|sre|bookkeeper|receptionist|apprentice|cto|cfo|ceo|coo|"
    "head of \\w+|associate|advisor|adviser|strategist|planner|buyer|merchandiser|marketer|hacker|closer|porter|waiter|waitress|bartender|baker|butcher|carpenter|plumber|welder|painter|mason|builder|"
    "surveyor|inspector|supervisor|foreman|foreperson|superintendent|caretaker|janitor|cleaner|housekeeper|gardener|farmer|therapist|physiotherapist|psychologist|counsell?or|physician|doctor|surgeon|dentist|"
    "hygienist|pharmacist|midwife|paramedic|carer|caregiver|lecturer|professor|tutor|trainer|coach|librarian|archivist|curator|fellow|postdoc|lawyer|solicitor|paralegal|barrister|notary|auditor|controller|"
    "economist|statistician|mathematician|actuary|underwriter|broker|trader|banker|cashier|teller|salesperson|salesman|seller|agent|executive|evangelist|producer|photographer|videographer|animator|illustrator|"
    "translator|interpreter|journalist|reporter|copywriter|pilot|captain|sailor|dispatcher|courier|warehouse operative|operative|labou?rer|picker|packer|worker|labourer|machinist|fitter|installer|"
    "secretary|partner|owner|master|chief \\w+ officer|president|ambassador|guard|firefighter|soldier|model|stylist|hairdresser|beautician|nanny|au pair|technologist|biologist|chemist|physicist|geologist|"
    "ecologist|veterinarian|vet|handler|attendant|host|hostess|steward|stewardess|expert|generalist|practitioner|full ?stack|leader|server|florist|sommelier|"
    # French
    "ingénieure?|développeu(?:r|se)|concept(?:eur|rice)|analyste|cheffe?|infirmi(?:er|ère)|comptable|technicien(?:ne)?|vendeu(?:r|se)|chargée?|assistante?|gestionnaire|cuisini(?:er|ère)|serveu(?:r|se)|conseill(?:er|ère)|"
    "professeure?|enseignante?|stagiaire|chauffeu(?:r|se)|apprentie?|responsable|directeur|directrice|régisseu(?:r|se)|cariste|opérat(?:eur|rice)|agente?|animat(?:eur|rice)|éducat(?:eur|rice)|aide[- ]\\w+|"
    "secrétaire|juriste|avocate?|médecin|pharmacien(?:ne)?|boulang(?:er|ère)|pâtissi(?:er|ère)|plombi(?:er|ère)|électricien(?:ne)?|maçon(?:ne)?|menuisi(?:er|ère)|inspect(?:eur|rice)|coordinat(?:eur|rice)|consultante?|"
    "préparat(?:eur|rice)|magasini(?:er|ère)|commerciale?|journaliste|rédact(?:eur|rice)|graphiste|traduct(?:eur|rice)|soudeu(?:r|se)|mécanicien(?:ne)?|administrat(?:eur|rice)|coiffeu(?:r|se)|hôte(?:sse)?|"
    # Spanish, Portuguese
    "ingenier[oa]|desarrollador[a]?|programador[a]?|analista|diseñador[a]?|gerente|técnic[oa]|enfermer[oa]|contable|contador[a]?|consultor[a]?|comercial|jef[ea]|camarer[oa]|cociner[oa]|profesor[a]?|administrativ[oa]|"
    "director[a]?|científic[oa]|becari[oa]|conductor[a]?|dependient[ea]|higienista|soldador[a]?|traductor[a]?|vendedor[a]?|encargad[oa]|auxiliar|asesor[a]?|abogad[oa]|médic[oa]|maestr[oa]|operari[oa]|mozo|electricista|"
    "fontanero|mecánic[oa]|recepcionista|secretari[oa]|arquitect[oa]|periodista|redactor[a]?|coordinador[a]?|responsable|especialista|ejecutiv[oa]|líder|supervisor[a]?|repartidor[a]?|limpiador[a]?|monitor[a]?|"
    "engenheir[oa](?:\\([ao]\\))?|desenvolvedor[a]?|cientista|técnic[oa]|enfermeir[oa]|contador[a]?|gestor[a]?|vendedor[a]?|cozinheir[oa]|professor[a]?|motorista|estagiári[oa]|auxiliar|assistente|rececionista|"
    "padeir[oa]|confeiteir[oa]|eletricista|soldador|advogad[oa]|médic[oa]|operador[a]?|atendente|coordenador[a]?|farmacêutic[oa]|"
    # Dutch, Italian, Scandinavian, Polish
    "ontwikkelaar|medewerk(?:er|ster)|verpleegkundige|wijkverpleegkundige|adviseur|beleidsadviseur|beheerder|monteur|chauffeur|kok|leraar|docent|verzorgende|administrateur|boekhouder|projectleider|programmeur|"
    "verkoper|magazijnmedewerker|lasser|timmerman|schilder|ingenieur|"
    "sviluppat(?:ore|rice)|impiegat[oa]|addett[oa](?:/[ao])?|progettista|ingegnere|sistemista|commess[oa]|cuoc[oa]|cameriere|infermier[ea]|operai[oa]|operatore|autista|magazziniere|ragionier[ea]|contabile|tecnico|segretari[oa]|"
    "educatore|insegnante|responsabile|stagista|"
    "utvecklare|ingenjör|sjuksköterska|lärare|säljare|tekniker|utvikler|sykepleier|pracownik|kierowca|inżynier|specjalista|programista|sprzedawca|księgow[ay]|magazynier"
)
_GERMAN: Final = (
    r"\w*(?:entwickler|ingenieur|berater|leiter|manager|techniker|pfleger|fahrer|assistent|lehrer|verkäufer|buchhalter|sachbearbeiter|mechatroniker|elektroniker|erzieher|referent|administrator|informatiker|controller|"
    r"arbeiter|bearbeiter|meister|geselle|gesellin|bäcker|koch|köchin|kellner|mechaniker|installateur|schlosser|schreiner|tischler|maurer|maler|dachdecker|elektriker|schweißer|monteur|lagerist|helfer|planer|architekt|"
    r"analyst|designer|redakteur|übersetzer|dolmetscher|journalist|psycholog\w*|therapeut|arzt|ärztin|apotheker|hebamme|trainer|händler|vertreter|makler|prüfer|verwalter|verrechner|betreuer|koordinator|disponent|"
    r"programmierer|physiker|chemiker|biologe|biologin|jurist|anwalt|anwältin|notar|sekretär|hausmeister|gärtner|florist|friseur|metzger|konditor|barista|rezeptionist|direktor|vorstand|geschäftsführer|professor|dozent|"
    r"mitarbeiter|fachkraft|hilfskraft|lehrkraft|servicekraft|pflegekraft|reinigungskraft|bürokraft|kaufmann|kauffrau|kaufleute|pädagog\w*|werkstudent|praktikant|auszubildende[r]?|volontär|trainee|beauftragte[r]?|verantwortliche[r]?|"
    r"angestellte[r]?|experte|expertin|spezialist|krankenschwester|oberarzt|oberärztin|chirurg|schneider|fotograf|laborant|operator|aushilfe|assistenz|(?<=\w)leitung|(?<=\w)vertretung|(?<=\w)hilfe|wirt|wächter|kraftfahrer|fräser|dreher|zerspaner|drucker|optiker|akustiker|tierarzt)"
    r"(?:in|innen|:in|\*in|/in|/-in|_in|/innen|/r)?"
)
ROLE: Final = re.compile(rf"(?<!\w)(?:{_WHOLE}|{_GERMAN})s?(?!\w)", re.IGNORECASE)
"""A word of trade; case ignored, whole words."""
