"""Every type of event that Stripe's pinned version knows: which feed reads it, or why it is not needed.

A type that stands nowhere here is listed by `syncjob check`, so that somebody decides. One object belongs to one feed only:
of several events about it the newest shows it, and two feeds could not agree which that is.
"""

from __future__ import annotations

from collections.abc import Mapping

# Stripe takes no more than 20 names at once, so each feed of events is one request as long as it keeps to that.
PAYMENT_EVENTS = (
    "charge.failed",
    "charge.updated",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "refund.updated",
    "refund.failed",
    "payout.paid",
    "payout.failed",
    "payout.canceled",
    "payout.updated",
    "topup.succeeded",
    "topup.failed",
    "topup.canceled",
    "topup.reversed",
)
BILLING_EVENTS = (
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.overdue",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice.deleted",
    "invoice_payment.paid",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
)
# Their event shows the object as it last was; afterwards there is nothing of it but its id.
DELETIONS = frozenset({"customer.deleted", "invoice.deleted"})
HANDLED: frozenset[str] = frozenset({*PAYMENT_EVENTS, *BILLING_EVENTS})

_NOT_NEEDED: Mapping[str, str] = {
    "its movement of the balance arrives by itself and brings the object with it": """
        application_fee.created application_fee.refund.updated application_fee.refunded charge.captured
        charge.dispute.funds_reinstated charge.dispute.funds_withdrawn charge.succeeded payout.created refund.created
        topup.created transfer.created transfer.reversed transfer.updated reserve.hold.created reserve.hold.updated
        reserve.release.created""",
    "the charge made under it tells what came of it": """
        checkout.session.async_payment_failed checkout.session.async_payment_succeeded checkout.session.completed
        checkout.session.expired payment_intent.amount_capturable_updated payment_intent.canceled payment_intent.created
        payment_intent.partially_funded payment_intent.payment_failed payment_intent.processing
        payment_intent.requires_action payment_intent.succeeded""",
    "no money of ours has moved yet; when it does, the movement is read": """
        cash_balance.funds_available charge.expired charge.pending customer_cash_balance_transaction.created
        setup_intent.canceled setup_intent.created setup_intent.requires_action setup_intent.setup_failed
        setup_intent.succeeded""",
    "another event that is read tells the same": """
        charge.refund.updated customer.subscription.pending_update_applied invoice.overpaid invoice.payment_succeeded""",
    "when a movement becomes available stands on the movement itself": "balance.available",
    "which movements a payout holds is not needed to book it": "payout.reconciliation_completed",
    "an invoice that is only drafted, sent or announced asks for nothing yet; its ends are read": """
        invoice.created invoice.finalization_failed invoice.finalized invoice.payment_action_required
        invoice.payment_attempt_required invoice.sent invoice.upcoming invoice.updated invoice.will_be_due
        invoiceitem.created invoiceitem.deleted""",
    "a subscription's plans for later change nothing today; the change itself is read": """
        customer.subscription.pending_update_expired customer.subscription.trial_will_end subscription_schedule.aborted
        subscription_schedule.canceled subscription_schedule.completed subscription_schedule.created
        subscription_schedule.expiring subscription_schedule.released subscription_schedule.updated""",
    "prices, products and discounts are the shop's own business; what was paid is read": """
        coupon.created coupon.deleted coupon.updated customer.discount.created customer.discount.deleted
        customer.discount.updated plan.created plan.deleted plan.updated price.created price.deleted price.updated
        product.created product.deleted product.updated promotion_code.created promotion_code.updated
        quote.accepted quote.canceled quote.created quote.finalized payment_link.created payment_link.updated
        tax.settings.updated tax_rate.created tax_rate.updated""",
    "it is about a means of payment, of which nothing is ever kept": """
        customer.source.created customer.source.deleted customer.source.expiring customer.source.updated mandate.updated
        payment_method.attached payment_method.automatically_updated payment_method.detached payment_method.updated
        source.canceled source.chargeable source.failed source.mandate_notification source.refund_attributes_required
        source.transaction.created source.transaction.updated three_d_secure.authentication.canceled
        three_d_secure.authentication.challenge_started three_d_secure.authentication.errored
        three_d_secure.authentication.failed three_d_secure.authentication.requires_challenge
        three_d_secure.authentication.requires_submission three_d_secure.authentication.succeeded""",
    "it is about the account and its people, not about money": """
        account.application.authorized account.application.deauthorized account.external_account.created
        account.external_account.deleted account.external_account.updated account.updated apps.install.created
        apps.install.deleted apps.install.updated balance_settings.updated billing_portal.configuration.created
        billing_portal.configuration.updated billing_portal.session.created capability.updated customer.tax_id.created
        customer.tax_id.deleted customer.tax_id.updated file.created person.created person.deleted person.updated""",
    "usage, credits and rights of use are not money; the invoice they lead to is read": """
        billing.alert.triggered billing.credit_balance_transaction.created billing.credit_grant.created
        billing.credit_grant.updated billing.meter.created billing.meter.deactivated billing.meter.reactivated
        billing.meter.updated entitlements.active_entitlement_summary.updated""",
    "a warning or a check is no dispute; a dispute is read": """
        radar.early_fraud_warning.created radar.early_fraud_warning.updated review.closed review.opened
        identity.verification_session.canceled identity.verification_session.created
        identity.verification_session.processing identity.verification_session.redacted
        identity.verification_session.requires_input identity.verification_session.verified""",
    "what Stripe may hold back later moves nothing; the hold itself is a movement": """
        reserve.plan.created reserve.plan.disabled reserve.plan.expired reserve.plan.updated""",
    "customers' bank accounts are not ours to look at": """
        financial_connections.account.account_numbers_updated financial_connections.account.created
        financial_connections.account.deactivated financial_connections.account.disconnected
        financial_connections.account.expected_deactivation_date_updated financial_connections.account.reactivated
        financial_connections.account.refreshed_balance financial_connections.account.refreshed_ownership
        financial_connections.account.refreshed_transactions
        financial_connections.account.supported_payment_method_types_updated
        financial_connections.account.upcoming_account_number_expiry
        financial_connections.account.upcoming_deactivation
        financial_connections.authorization.expected_deactivation_date_updated
        financial_connections.authorization.upcoming_deactivation""",
    "spending on issued cards needs books of its own, and its movements are held with that reason": """
        issuing_authorization.created issuing_authorization.request issuing_authorization.updated issuing_card.created
        issuing_card.updated issuing_cardholder.created issuing_cardholder.updated issuing_dispute.closed
        issuing_dispute.created issuing_dispute.funds_reinstated issuing_dispute.funds_rescinded
        issuing_dispute.submitted issuing_dispute.updated issuing_personalization_design.activated
        issuing_personalization_design.deactivated issuing_personalization_design.rejected
        issuing_personalization_design.updated issuing_token.created issuing_token.updated issuing_transaction.created
        issuing_transaction.purchase_details_receipt_updated issuing_transaction.updated""",
    "a financial account is a balance apart from the payments balance, and is not read": """
        treasury.credit_reversal.created treasury.credit_reversal.posted treasury.debit_reversal.completed
        treasury.debit_reversal.created treasury.debit_reversal.initial_credit_granted treasury.financial_account.closed
        treasury.financial_account.created treasury.financial_account.features_status_updated
        treasury.inbound_transfer.canceled treasury.inbound_transfer.created treasury.inbound_transfer.failed
        treasury.inbound_transfer.succeeded treasury.outbound_payment.canceled treasury.outbound_payment.created
        treasury.outbound_payment.expected_arrival_date_updated treasury.outbound_payment.failed
        treasury.outbound_payment.posted treasury.outbound_payment.returned
        treasury.outbound_payment.tracking_details_updated treasury.outbound_transfer.canceled
        treasury.outbound_transfer.created treasury.outbound_transfer.expected_arrival_date_updated
        treasury.outbound_transfer.failed treasury.outbound_transfer.posted treasury.outbound_transfer.returned
        treasury.outbound_transfer.tracking_details_updated treasury.received_credit.created
        treasury.received_credit.failed treasury.received_credit.succeeded treasury.received_debit.created""",
    "it is about Stripe's own tools: reports, readers, clocks for tests, orders for the climate": """
        climate.order.canceled climate.order.created climate.order.delayed climate.order.delivered
        climate.order.product_substituted climate.product.created climate.product.pricing_updated
        reporting.report_run.failed reporting.report_run.succeeded reporting.report_type.updated
        sigma.scheduled_query_run.created terminal.reader.action_failed terminal.reader.action_succeeded
        terminal.reader.action_updated test_helpers.test_clock.advancing test_helpers.test_clock.created
        test_helpers.test_clock.deleted test_helpers.test_clock.internal_failure test_helpers.test_clock.ready""",
}
NOT_NEEDED: Mapping[str, str] = {name: why for why, names in _NOT_NEEDED.items() for name in names.split()}
