"""The files that `init` and `demo` write: a commented syncjob.yaml, accounts.csv, and the header of invoices.csv."""

from __future__ import annotations

from collections.abc import Mapping

INVOICES_HEADER = "number,customer,email,currency,total,issued,due\n"

_YAML = """\
# syncjob: where payments come from, and where they go. After a change run: syncjob check

# The company's zone: it decides on which day a payment falls in the books.
books_zone: {zone}

# The currency that the books are kept in.
home_currency: {currency}

# The cut-over: nothing older is posted by itself; what the gateway held at this instant comes in as its opening balance.
start: {start}

# The first run after this time of day, in the books' zone, also reads deeper, reconciles and writes the summary.
nightly_at: "02:00"

# When `syncjob schedule` begins runs; cron and systemd timers have times of their own. Instead of every: a cron expression,
# such as cron: "*/15 6-22 * * 1-5", with its zone: {zone} where that is not the books' own.
schedule:
  every: 15m
  # A run may begin up to so much later, by chance, so that not everybody asks the gateway at the full quarter.
  jitter: 30s
  # A run that could not begin within so long is left out; the next one does its work.
  misfire_grace: 10m

# Where syncjob keeps what it knows: a file under the home, or postgresql://USER@HOST/DATABASE
state: state/syncjob.sqlite

# How payments find their invoices: docs/matching.md
# matching:
#   series: [INV-]          # a number that a payment names counts only where it begins so; else each may be one
#   gateway_numbers: yes    # your books use the numbers that the gateway gives its invoices
#   by_customer: no         # a payment without a number is never matched by its customer's only exact sum
#   tolerance: {{EUR: 0.05}}  # what may be missing of an invoice that a payment names: it is written off

# How the statements of your bank account are written that you read with: syncjob bank import statement.csv
# bank:
#   current:
#     columns: {{date: Date, amount: Amount, currency: Currency, text: Text}}
#     days: ymd        # or dmy, mdy
#     decimals: point  # or comma
#     separator: ","

gateways:
  {gateway}:
    connector: stripe
    # Where the key stands, never the key itself: env:NAME, file:PATH, keyring:SERVICE/NAME or command:...
    # A restricted key that may read is enough; docs/connectors/stripe.md says what to click.
    key: {key}
    # Where the sales behind the payments are recorded. A wrong word here doubles revenue, so docs/posting.md is worth a look:
    #   invoiced_in_books   your invoices post revenue and tax; syncjob only pays them
    #   recorded_here       there are no invoices: syncjob posts revenue and tax
    #   recorded_elsewhere  the shop's own system posts them: receipts clear the control account
    sales: {sales}
    # How the gateway's fees come to the books: on_receipt, own_expense (each by itself) or monthly_bill.
    # fees: on_receipt
    # Percent of tax that you owe yourself on the gateway's fees, and deduct, where it charges none:
    # reverse_charge: "19"
{more}
accounting:
  # Plain-text books for Beancount and Fava in books/; your open invoices stand in books/invoices.csv.
  books:
    connector: beancount
    # One document per_transaction, per_payout (where the gateway says what is in one), per_day, or hybrid: of its own what pays
    # an invoice, the rest in the day's summary.
    {mode}
    # What falls into a period that the books have closed: hold, next_open_day (with its true date beside it) or approval.
    # late: hold

crm:
  # Contacts, payments, tasks and deals in one SQLite file.
  crm:
    connector: sqlite
"""

_ACCOUNTS = """\
# Which account of the books plays which role. source and currency may stay empty: the row that says most about a line wins.
# The codes are names of Beancount accounts; change them as you like before the first run;
# afterwards a run waits until you have seen what a change alters: syncjob mapping preview --since DAY
role,source,currency,account
# what the gateway holds for you, and keeps back
clearing,{gateway},,Assets:{Gateway}:Balance
reserve,{gateway},,Assets:{Gateway}:Reserve
payouts_in_transit,,,Assets:Bank:InTransit
bank,,,Assets:Bank:Current
# what customers owe, and what they have paid without an invoice that asks for it
receivable,,,Assets:Receivable
unapplied,,,Liabilities:Customers:Unapplied
customer_credit,,,Liabilities:Customers:Credit
control,,,Liabilities:Customers:Control
suspense,,,Liabilities:Suspense
# what the gateway charges
fees,,,Expenses:Gateway:Fees
fee_tax,,,Expenses:Gateway:FeeTax
fees_prepaid,,,Assets:Gateway:FeesPrepaid
# disputes
disputed,,,Assets:Disputed
dispute_fees,,,Expenses:Disputes:Fees
dispute_loss,,,Expenses:Disputes:Losses
write_off,,,Expenses:WriteOffs
# two currencies in one payment
fx,,,Expenses:Exchange
fx_conversion,,,Equity:Conversions
rounding,,,Expenses:Rounding
# where sales are recorded here
revenue,,,Income:Sales
deferred_revenue,,,Liabilities:DeferredRevenue
returns,,,Income:Returns
tax,,,Liabilities:Tax
seller_liability,,,Liabilities:Sellers
# what the gateway held at the cut-over
opening,,,Equity:Opening
"""


def syncjob_yaml(
    *,
    zone: str,
    currency: str,
    start: str,
    gateway: str,
    key: str,
    sales: str = "invoiced_in_books",
    mode: str = "per_transaction",
    more: Mapping[str, str] | None = None,
) -> str:
    """A commented syncjob.yaml; `more` are further settings of the gateway."""
    extra = "".join(f"    {name}: {value}\n" for name, value in (more or {}).items())
    kept = f"mode: {mode}" if mode != "per_transaction" else f"# mode: {mode}"  # what is meant if nothing is said
    return _YAML.format(
        zone=zone, currency=currency, start=f'"{start}"', gateway=gateway, key=key, sales=sales, mode=kept, more=extra
    )


def accounts_csv(gateway: str) -> str:
    """An accounts.csv in which every role has its account."""
    name = "-".join(part.capitalize() for part in gateway.split("-"))
    return _ACCOUNTS.format(gateway=gateway, Gateway=name)
