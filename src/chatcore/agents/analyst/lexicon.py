"""The words that questions are asked in, by what they point to. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.request import Grain


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pointing(groups: Mapping[str, str]) -> Mapping[str, str]:
    """What each word points to, from the words that point to each thing."""
    return MappingProxyType({word: target for target, text in groups.items() for word in text.split()})


COST = _words("""
    spend spends spent spending cost costs costing costed costly pay pays paid paying bill bills billed billing
    expense expenses expensive expenditure expenditures money dollar dollars usd bucks charge charges charged
    burn burned burnt burning outlay invoice price priced costliest priciest dearest damage expended cash $ € £
""")
CHEAP = _words("cheap cheaper cheapest inexpensive")
SINGLE = _words("""
    call calls request requests query queries message messages row rows record records entry entries invocation
    invocations prompt prompts transaction transactions interaction interactions
""")
"""What one row is called."""

CALLS = SINGLE | _words("event events usage used times popular often frequently busiest active volume")
TOKENS = _words("token tokens toks")
FIGURES = COST | CALLS | TOKENS
INPUT = _words("input prompt context incoming sent")
OUTPUT = _words("output completion generated response outgoing produced")
AVERAGE = _words("average averages avg mean typical typically")
STATISTIC = _words("median distribution percentile percentiles p95 p50 p99 spread maximum minimum max min")
LOW = _words("least lowest smallest fewest bottom minimum min cheapest rarest worst quietest")
EACH = _words("by per each every across")
SPLIT = _words("""
    breakdown break broken split group grouped distribution distributed divide divided share shares ranking rank
    ranked
""")
WHICH = _words("which what who whose whom")
TREND = _words("""
    trend trends trending timeline evolution evolve evolved develop developed development history chart graph growth
    course progression rising falling climbing declining growing
""")
COMPARE = _words("""
    compare compares compared comparing comparison vs versus against difference differ differs change changes changed
    increase increased decrease decreased grow grew grown rise rose risen fall fell fallen drop dropped
""")
QUALITY = _words("""
    quality missing null nulls duplicate duplicates duplicated gap gaps outlier outliers implausible anomaly anomalies
    anomalous suspicious reliable trust trustworthy completeness incomplete invalid inconsistent wrong dirty weird
    strange odd plausible problems issues free unpriced zero fishy funny amiss abnormal unusual
""")
SOUND = _words("complete valid clean empty blank")
"""Words of quality that also mean something else; they count where no figure is asked for."""

OTHER_KNOWN = _words("""
    many number count counts amount top most highest biggest largest best greatest leading main data table tables
    column columns schema dataset datasets file files field fields attached loaded cover covers covered coverage
    structure contents contain contains available help capabilities early late mid middle beginning half previous
    prior preceding earlier peak peaks peaked verbose talkative chatty wordy
""")
"""Words that patterns look for."""

SLOW = _words("slow slower slowest longest")
FAST = _words("fast faster fastest quickest shortest")
STATUS = _words("""
    failed fail fails failure failures succeeded success successful completed cancelled canceled unsuccessful
""")
"""How something ended."""

_GRAINS: Mapping[Grain, str] = {
    "day": "day days daily",
    "week": "week weeks weekly",
    "month": "month months monthly",
    "quarter": "quarter quarters quarterly",
    "year": "year years yearly annual annually",
}
GRAINS: Mapping[str, Grain] = MappingProxyType(
    {word: grain for grain, text in _GRAINS.items() for word in text.split()}
)

_CONCEPTS = {
    Meaning.MODEL: "model models llm llms engine engines",
    Meaning.USER: """
        user users person people who whose whom developer developers member members employee employees colleague
        colleagues engineer engineers account accounts someone anyone spender spenders
    """,
    Meaning.FEATURE: """
        feature features format formats mode modes purpose purposes endpoint endpoints task tasks activity activities
    """,
    Meaning.STATUS: "status statuses outcome outcomes state states",
    Meaning.DURATION: "duration durations latency latencies runtime",
}
CONCEPTS = MappingProxyType({word: meaning for meaning, text in _CONCEPTS.items() for word in text.split()})
"""Words for a column by what it means, whatever its name is."""

OTHER_NOUNS = _words("""
    team teams project projects department departments customer customers client clients region regions country
    countries city cities office offices company companies organization organizations organisation organisations org
    orgs product products service services environment environments env session sessions conversation conversations
    thread threads vendor vendors provider providers application applications app apps key keys cluster clusters
    tenant tenants workspace workspaces repo repos repository repositories branch branches language languages tag
    tags label labels version versions role roles group groups category categories division divisions host hosts
    machine machines tier tiers plan plans contract contracts tool tools agent agents error errors exception
    exceptions speed cached caching cache
""")
"""What else usage is asked about: names for a column that this data may not have."""

TELLING = _words("""
    hour hours hourly weekday weekdays weekend weekends morning evening afternoon session sessions concentrated
    concentration histogram unusual abnormal spike spikes drivers drove driven economics ratio ratios percentile errors
    error exceptions failures outlier outliers anomalies coverage
""")
"""Words that one kind of question is told by; beside other words they mean nothing that is known here."""

UNSUPPORTED = _pointing(
    {
        "a forecast": """
            forecast forecasts predict prediction projected projection estimate expect expected will tomorrow next
            future extrapolate
        """,
        "the reason behind a figure": "why because reason reasons cause caused explain",
        "a recommendation": """
            save saving savings optimize optimise optimization reduce reducing cut lower recommend recommendation
            recommendations suggest should switch alternative
        """,
        "a budget": "budget budgets quota limit limits allowance",
        "hours and weekdays": """
            hour hours hourly weekday weekdays weekend weekends morning afternoon evening night monday tuesday
            wednesday thursday friday saturday sunday
        """,
        "profit and loss": "profit profits revenue revenues income roi margin margins earn earned earnings lose lost",
        "what is new and what is gone": "newly discontinued abandoned retired",
        "a correlation": "correlation correlate correlated correlates regression",
        "a change to the data": "delete remove insert update truncate alter",
    }
)
"""Words that ask for what is not answered, with how it is called."""

WHAT_IF = _words("""
    swap swapped swapping replace replaced replacing switch switched switching move moved moving migrate migrated
    shift shifted shifting route routed routing send sent sending instead rather capped capping truncate truncated
    trim trimmed batch batches batched batching prefix prefixes peak save saving savings reduce reducing reduction
    frontier pareto forecast budget within exceed exceeded projected projection pace track concurrent concurrently
    simultaneous waste wastes wasted wasting wasteful wastage
""")
"""Words that savings and decisions are asked in: spelt right, and accounted for only by those who look for them."""

STOP = _words("""
    a an the of for to in on at by with from and or is are was were be been being am do does did done have has had it
    its this that these those there here i we us our ours you your my me mine they them their he she his her one ones
    any all total totals overall sum altogether together combined entire whole everything much so far up please can
    could would tell show give list find get see know let lets want need like about how when where just only also now
    current currently ever yet then than as if not no yes ok thanks thank what's which what who ai api usage
    use uses using per each every some few lot lots kind kinds type types sort sorts figure figures number numbers
    amount amounts value values stats statistics summary overview report result results info information detail
    details really exactly actually roughly approximately around quite very most least highest lowest go goes going
    went gone make makes made take takes took happen happened look looks looked run ran running period time times
    date dates range between during within out into back over rank ranked sorted order ordered descending ascending
    second third fourth across different distinct unique various separate other answer question calculate compute say
    display print
    single individual recorded raw i'd we'd you'd they'd he'd she'd we'll i'll they'll
    we've i'm break down start starts started begin begins began end ends ended
    first last latest newest oldest recent recently since until till before after again same share percentage percent
    proportion portion part fraction including included include along well both either cents t re ve ll hello hi hey
    there's none ask asked more less million thousand billion come comes came contribute contributed accounted
    responsible belong belongs own guys folks everyone everybody stuff thing things wise send sends pls plz kindly thx
    cheers ytd mtd dear hiya yo okay cool great nice sorry maybe perhaps wondering wonder curious actual i'm im whats
    hows wheres whos dont didn't don't isn't aren't wasn't doesn't can't couldn't wouldn't shouldn't won't i've we've
    you're that's it's thats theres here's mind gonna wanna gotta bit little quick brief briefly pull produce provide
    hand retrieve fetch return confirm remind altogether grand full according regarding concerning respect terms throw
    threw thrown put puts putting pour poured rack racked chew chewed eat eats ate eating swallow swallowed blow
    blew blown plot draw graphed visualize visualise attributable attributed due owing related associated goes
    toward towards onto ll giv gimme teh hte adn nd fo wat wats log logs ledger thousands millions
    billions pennies mio ascending together summarize summarise sum
""")
"""Words that carry no meaning of their own here."""

PREPOSITIONS = _words("by per for on of from with using in via through to at each every across which what about")
"""What follows one of these names something: a word there that is not understood changes the question."""

TELLING_OF_ROWS = _words("duplicates outliers gaps anomalies errors free prices price budget save saved saving savings")
"""Words that a question about the rows has without a figure."""

SENTENCE = _words("""
    is are was were do does did has have had can could will would should how hello hi hey give show list tell
""")
"""Words that make a sentence of other words, odd as it may be."""

PASSED_OVER = _words("""
    gets caller called length lengths long size sizes
    wat whole actual real true exact precise typical general rough simple short plain basic such
    still already yet even rather pretty mostly mainly largely overall altogether
    accounting accounts adds added add sums summed counted ranked sorted ordered listed shown printed
    charted plotted displayed reported logged recorded registered tracked observed noted seen known
    boss manager management finance cfo board report reports slide slides deck email mail note memo
    please kindly quickly asap urgently basically literally simply honestly frankly obviously clearly apparently
    think believe guess suppose assume hope hear heard read understand understood figure work works worked working
    try trying tried help helps need needs needed require requires required must may might shall be being
    been getting got gotten keep keeps kept stay stays stayed remain remains remained become becomes became
    line lines item items entity entities component components element elements bit bits piece pieces chunk slice
    far back ago then later now lately
    um uh hmm ah oh wow lol ok okay alright sure yeah yep nope nah btw fyi imo eh huh
    dashboard screen page view analysis
    analytics insight insights detail detailed breakdowns rundown snapshot picture look looking glance
    altogether
""")
"""Words that change nothing of a plain question, though they point to nothing either."""

_COUNTED = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty
"""
NUMBERS = MappingProxyType({word: number for number, word in enumerate(_COUNTED.split())})

_TIMES = _words("""
    january february march april may june july august september october november december yesterday today
""")

SLIPPED = _words("""
    much summarize total totals happened happens happening please during between without excluding except together
    altogether because percentage everything everyone calculate display provide compared combined approximately
    currently recently
""")
"""Words without a meaning of their own that are long enough to be misspelt and known again."""

MEANT: frozenset[str] = frozenset().union(
    COST, CHEAP, CALLS, TOKENS, INPUT, OUTPUT, AVERAGE, STATISTIC, LOW, EACH, SPLIT, WHICH, TREND, COMPARE, QUALITY,
    SOUND, SLOW, FAST, TELLING, OTHER_KNOWN, GRAINS, CONCEPTS, NUMBERS, _TIMES,
)  # fmt: skip
"""Words that a misspelt one may be meant as."""

KNOWN = MEANT | STOP | OTHER_NOUNS | STATUS | frozenset(UNSUPPORTED) | PREPOSITIONS
"""Words that are spelt right."""
