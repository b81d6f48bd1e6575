-- What an order costs before any discount, as settled when it was submitted: discounts are taken off that, whatever the
-- contract's prices have become. Null in drafts, and where the release before submitted: the amount tells it (app/orders/rules.py).
ALTER TABLE crm.sales_order ADD COLUMN full_amount numeric(16, 2);
