"""The words that error messages are made of; any other word is masked, and with it a value that is a name or a code.

Counted over the message catalogue of PostgreSQL, the exceptions of the standard library and of common packages, plus
the nouns and verbs of ordinary services (order, customer, refused). Left out on purpose: people's and places' names,
and whatever else a person would type into a form. A value that is itself one of these words cannot be told from the
message around it.
"""

from __future__ import annotations

_TEXT = """
a abandoned able abnormally abort aborted aborting about above absolute abstract accept acceptable accepted accepting
accepts access accessed account acquire acquired across action actions active activity actual actually ad adapter add
added adding additional address addresses adequate administrator affected after again against age aggregate aggregates
aggregation algorithm alias aliased aliases align alignment all allocate allow allowed allows along alphabet
alphabetic alphanumeric already also alter alternatives always ambiguous among amount amounts an analyze anchor and
annotated annotation annotations anonymous another answer answered any anymore anyone anything api app appear appears
append appended appending applicable application applied applies apply applying appropriate approve approved arbitrary
archive archived are aren't arg args argument arguments arithmetic around array arrays article articles as ascii
assertion assign assigned assigning assignment assignments associated association associativity async asynchronous
asyncio asyncpg at attach attached attachment attachments attempt attempted attempting attempts attr attribute
attributes auth authenticated authentication authority authorization authorized auto autoflush automatic automatically
availability available average avoid await awaited aware away axis back backend backends background backref backslash
backup backward backwards bad badly balance balanced balances bank banned bare base based basis basket batch be
because been before begin beginning begins behavior behind being belong belonging belongs below best better between
beyond big bigint binary bind binding bindings bit bits blank blob block blocked blocking blocks blueprint bodies body
book booked booking bookings bool boolean both bound boundaries boundary bounded bounds bracket branch breaker broken
broker bucket buckets buffer buffers bug build building built builtin bundle busy but by byte bytea bytearray bytes
cache cached caches caching calculate calculated call callable callback called calling calls can can't cancel canceled
canceling cancellation cancelled cancelling candidates cannot canonical capacity capture card cards carriage cart
carts cascade cascades case cases cast casts catalog catalogs categories category caught cause caused causes celery
central cert certificate certificates certs chain change changed changes changing channel channels char character
characters charge charges charset check checkable checked checkin checking checkout checkpoint checkpoints checks
checksum child children choice choices choose chunk chunked cipher circle circuit circular class classes classifiers
clause clauses cleanly cleanup clear cleared client clients clob close closed closing cluster clustered code codec
codecs coerce coerced coercion col collation collations collect collection collections color cols column columns
combination combine combined combining comma command commands comment comments commit committed committing common
commutative companies company compare comparison compatibility compatible compilation compile compiled compiler
compiling complete completed completion complex component components composed composite compress compressed
compression computation compute computed concatenate concrete concurrency concurrent concurrently condition
conditional conditions conf config configuration configure configured confirmed conflict conflicting conflicts connect
connected connecting connection connections consecutive consider considered consistency consistent console const
constant constants constrained constraint constraints construct constructed constructing constructor constructs
consult consumed consumer contact contain contained container containing contains content contents context
continuation continue continues continuing control controls conversion convert converted converter converting cookie
cookies copied copy copying core coroutine correct correctly corresponding corresponds corrupt corrupted cost could
couldn't count counter coupon cover coverage cpu crash create created creating creation credentials critical cross css
csv currency current currently cursor cursors curve custom customer customers cycle data database databases dataclass
dataclasses datatype datatypes date datetime day days db dbapi deactive dead deadlock deadlocks debugging decimal
declaration declarations declare declared decline declined decodable decode decoded decoding decompress decorated
decorator deep default defaults deferrable deferred define defined defines definition definitions delay delete deleted
deletes deleting deletion delimiter deliveries delivery denied denominator department departments depend dependencies
dependency dependent dependents depends deprecated deprecation deps depth derived describe description descriptor
deserialize desired destination detach detached detail details detect detected detection determine determined
developer devices diagnostics dialect dict dictionaries dictionary dicts did didn't differ different differs digest
digit digits dim dimension dimensional dimensions dir direct direction directionality directive directly directories
directory dirs disable disabled disables disabling disallowed disconnected discount discriminator disk dispatch
dispatcher displacement display dist distance distinct distribution distributions divisible division divisor django
dns do docs document documentation documents does doesn't domain domains don't done dot dotted double down download
downloads downstream driver drop dropped dropping dtype due dump duplicate duplicated duplicates duration during
dynamic dynamically e-mail each eager earlier editable edition effect effective either elapsed element elements
eligible ellipsis email emails embedded emit employee employees empty en enable enabled enables encode encoded
encoding encodings encountered encrypted encryption end ended ending endpoint ends engine enough ensure enter entered
entities entity entries entry entrypoint enum env environment eof eq equal equality equivalent error errors escape
escaped escapes establish established establishment estimate etag etc eval evaluate evaluation even event events every
exact exactly example exceed exceeded exceeding exceeds except exception exceptions exclude exclusion exclusive exec
executable execute executed executemany executing execution executor exhausted exhausting exhaustive exist existing
exists exit exited expand expanded expansion expect expected expecting expects expired expiring explain explicit
explicitly export exported expr expression expressions ext extend extended extension extensions external extra extract
extracted extraction extras factor factory fail failed failing fails failure failures fallback falling false families
family far fast fastapi fatal feature fetch fetched few fewer field fields file filename filenames fileobj files fill
filter filters final find finder finish finished finite first fit fix fixed flag flags flask float floating floats
flow flush flushing folder follow followed following follows for forbidden forbidding force forcing foreign fork form
format formats formatted formatter formatting formed forward found four fraction frame free freeze frequently from
frontend frozen full fully func function functionality functions funds further future futures garbage gateway generate
generated generating generation generator generators generic generics get getting give given global globally gone got
gpu grammar grant granted grantor graph graphql greater group grouping groups grpc gzip had half handle handled
handler handling handshake happen has hash hashable hashes hasn't have haven't having head header headers healthy heap
held help here hex hexadecimal hide high higher hint history hold holding host hostname hosts how html http https huge
hung i i/o id identifier identifiers identify identity idle ids if ignore ignored illegal image images immediate
immediately immutable implement implementation implemented implicit import imported importing improper in inactive
inappropriate include included includes including inclusive incompatible incomplete inconsistent incorrect increase
increasing increment indefinite indent indentation independent indeterminate index indexed indexes indexing indicate
indicated indicates indicator indices ineligible inequality inet infer infinite infinity info information inherit
inheritance inherited init initial initialization initialize initialized initializer initializing initially initiation
inline inner input inputs insensitive insert inserting insertion inserts inside inspect install installation installed
instance instances instantiate instantiated instead instruction insufficient int integer integer's integers integral
integration integrity intended interactive interface interfaces internal interpret interpreter interrupt interrupted
intersect interval intervals intervention into introspection invalid invalidated inventory inverse invert invocation
invoice invoices invoke invoked involve io ip ipv is isn't iso isolation issue issues it it's item items iterable
iterables iterate iteration iterations iterator iterators its itself join json jsonb jsonpath just kafka keep
keepalive kernel key keyboard keys keyword keywords kind know known label labels lack language large larger last later
lateral latest layer layout lazy le leading least left len length lengths less letters level levels lexer libraries
library license like likely limit limited limits line linear lines link linked links list listed listen listener
listeners listening lists literal load loaded loader loaders loading local locale locally locate location locations
locator lock locked locks log logarithm logged logger logging logic logical login logs long longer longest look
looking looks lookup loop loss lost low lower macro macros made mail main maintenance major make making malformed
managed manager mandatory manual manually many map mapped mapper mapping mariadb mark markdown marked marker master
match matched matches matching materialized math matrix max maximum may maybe mean means meant mechanism member
members membership memory merge merging message messages metadata method methods metric microservice might mime
mimetype min minimal minimum mismatch mismatched misplaced missing misuse mix mixed mixing mode model modification
modified modifier modify modifying module modules modulus money monitoring months more most move moved moving much
multi multidimensional multiple multiply multivariate must mustn't mutable mutate mutually mysql name named namedtuple
names namespace namespaces nan native near necessary need needed needs negative neither nest nested nesting network
never new newer newline newtype next no node nodes non nonce nondeterministic none nonexistent noninteger nonnegative
nonstandard nonzero nor normal normalization normalized normally not notation nothing notice notification
notifications notify now nth null nullable nulls number numbered numbering numbers numeric numpy obj object objects
obtain occur occurred occurring occurs octal octet odd of off offset old older oldest omit on once one oneof online
only open opened opening operand operands operate operating operation operational operations operator operators opt
optimization optimize option optional options or oracle order ordered ordering orders ordinal org organization
organizations origin original orm orphan os other others otherwise out outcome outer output outside over overall
overdrawn overdue overflow overlap overlapping overlaps overridden override overrides overwrite overwritten own owned
owner ownership package packages packet padding page pages paid pair pairs panic parallel param parameter parameters
params parent parentheses parenthesis parenthesized parse parsed parser parsers parsing part partial partially
particular partition partitioned partitioning partitions parts pass passed passing passphrase password past patch path
paths pattern patterns paused pay payload payment payments pdf peer pending per percent perform performance performed
performing perhaps permanent permanently permission permissions permitted permutation persistent pessimistic phase
phone physical pinned pipe pipeline place placed placeholder places plain plan planned planner plans platform
platforms please plugin plural point pointer points policies policy poll polymorphic pool pooled pop populated
population port portal ports pos position positional positive possible possibly post postgres postgresql postmaster
postpone postponed power pre precedence preceding precise precision precondition predicate predicates prefix prefixed
prefixes preload prematurely prepare prepared prerelease presence present preset prevent previous previously price
prices primary prime print prior priority private privilege privileges probability probably problem problems procedure
procedures proceed process processes processing processor produce produced producer product products profile profiles
program programming progress prohibited project promote promotion prompt proper properly properties property
propertyname proto protocol protocols provide provided provider provides providing proxy pseudo psycopg public
publication publications publish published publisher purchase pure put py pymysql qualified quantities quantity
queries query queue quota quote quoted quotes rabbitmq raise raised ram random range ranges rate rather rational raw
reach reached reaching read reading readonly ready real reason reasons rebuild receive received receiver recent
recognized reconnect reconnecting record recorded records recover recoverable recovery recursion recursive redefine
redefinition redirect redirects redis redo reduce reduced redundant ref refer reference referenced references
referencing referential refers refresh refund refunds refused refusing regex region register registered registering
registration registry regular reindex reject rejected related relation relations relationship relationships relative
release released releases releasing reload remain remainder remaining remote removable removal remove removed removing
rename renamed render rendered repeat repeatable repeated repertoire replace replaced replacement replay replica
replicated replication report reported reporting reports repository represent representation represented request
requested requests requeue require required requirement requirements requires rescheduled reservation reservations
reserve reserved reset resetting resolution resolve resolved resource resources response rest restart restarting
restore restricted restriction result resulted resulting results retries retrieval retrieve retrieving retry retryable
retrying return returned returning returns reuse revision revocation revoked rewind rewinding rewrite rich right role
roles roll rollback rollbacks rolled rolling root rotate rotation round rounds route routine row rows rpc rule rules
run runner running runs runtime safe safely sale sales same sample samples sampling satisfy save saved savepoint
savepoints saving scalar scalars scale scanned scanning scans schedule scheduled scheduler schema schemas scheme scope
script scroll search searching second secondary seconds secret secrets section secure security see seek seem seems
segment segments select selected selection selects self semaphore send sending sent sentinel separate separated
separator separators seq sequence sequences sequential serial serializable serialization serialize serializer series
server servers service session sessions set sets setting settings setup several shape shapes share shared shell ship
shipment shipments shipped short should shouldn't show shows shut shutdown shutting side sign signal signature signed
similar simple simultaneously since single site size sized sizes skip skipped skipping slice slices slot slots slow
slowly small smaller smallint snapshot so socket sockets solutions some something sort sorted sorting source sources
space spaces span spec special specific specification specifications specified specifier specifiers specifies specify
specifying spent split sql sqlalchemy sqlclient sqlconnection sqlite square ssl sslcontext stack stacked stale
standalone standard standby start started starting starts startup stat state statement statements states statistics
status step steps still stock stop stopped stopping storage store stored str strategies strategy stream streamed
streaming streams strict strictly string strings strong structure style sub subclass subclasses subject submit
submitted subprocess subquery subscribe subscribed subscribers subscript subscriptable subscripted subscripting
subscription subscriptions subscripts subset substitution substring subtract subtransaction subtype succeed succeeded
successful successfully such sufficient suffix suitable sum superuser superusers supplied supplier suppliers supplies
supply support supported supports supposed suppress sure surrogate suspended switch symbol symbolic symbols symlink
sync synchronization synchronize synchronized synchronous synonym syntax sys system systems tab table tables
tablespace tablespaces tag tags take taken takes target targets task tasks tcp team teams teapot tell temp template
templates temporarily temporary tenant tenants term terminate terminated terminating termination test text textual th
than that that's the their them then there there's these they third this those thread three threshold throttled
throttling through ticket tickets time timed timedelta timeline timeout timer times timestamp timestamps timestamptz
timezone timing title tls to together token tokens toml too tool top topic total touch trace traceback traffic
transaction transactions transfer transfers transform transformation transient transition translate transport traverse
treated tree tried tries trigger triggered triggers trim true truncate truncated truncation trusted truth try trying
tunnel tuple tuples turn turned turns twice two type typed types typing udp unable unacceptable unambiguously unary
unauthenticated unauthorized unavailable unblocked unbounded unbuffered unchanged unclosed unconditional unconfirmed
undefined undelivered under underlying underscore underscores unencrypted unequal unescaped unexpected unexpectedly
unfinished unhandled unhashable unicode union unique uniqueness unit units unix unknown unless unlock unlogged
unmatched unnamed unpack unpaid unparsed unprivileged unprocessable unprocessed unquoted unreachable unrecognised
unrecognized unregistered unresponsive unsafe unsupported unterminated until untranslatable untrusted unusable unused
up updatable update updated updates updating upgrade upgrading upload uploaded uploads upon upper upserted upstream
uri url usable usage use used user username users uses using usually utc utf utility uuid vacuum vacuumed vacuuming
valid validate validated validation validator value valued values var varchar variable variables variadic variance
variant variants varying vector vendor vendors verification verified verify version versions via victim view views
violated violates violation violations virtual visual void voided volatile volume wait waited waiting waits wallet
want wanted warehouse warehouses warn warning was wasn't we webhook week weight weights well were what wheel wheels
when whence where whether which while whitespace whole whose wide width wildcard wildcards will window windowing with
within without won't word work worker workers workflow working works would wouldn't wrap wraparound wrapped wrapper
writable write writer writes writing written wrong wrongly wrote xid xml yaml year yes yet yield you your zero zone
"""

#: Lower case; contractions with their apostrophe.
WORDS = frozenset(_TEXT.split())
