-- Deals with stages as data (S1), and the tasks that a stage brings (S2).

CREATE TABLE crm.deal_stage (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    position   integer     NOT NULL,
    outcome    text        NOT NULL,
    follows    text[]      NOT NULL,  -- the stages it is reached from; empty: a deal may begin here
    requires   text[]      NOT NULL,  -- fields of the deal and of its customer
    rules      jsonb       NOT NULL,
    tasks      jsonb       NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.deal_stage TO crm_app;

CREATE SEQUENCE crm.deal_number;
GRANT USAGE ON SEQUENCE crm.deal_number TO crm_app;

CREATE TABLE crm.deal (
    id               uuid        PRIMARY KEY,
    customer_id      uuid        NOT NULL CONSTRAINT deal_customer_id_fkey REFERENCES crm.customer (id),
    version          integer     NOT NULL,
    created_at       timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    number           text        NOT NULL CONSTRAINT deal_number_key UNIQUE,
    stage            text        NOT NULL CONSTRAINT deal_stage_fkey REFERENCES crm.deal_stage (code),
    outcome          text        NOT NULL CHECK (outcome IN ('open', 'won', 'lost')),
    title            text        NOT NULL,
    owner            text        NOT NULL,  -- who does the tasks
    contact          text,
    product          text,
    planned_volume   numeric(14, 3),  -- litres a month
    payment          text        CHECK (payment IN ('prepaid', 'deferred')),
    deferral_days    integer     CHECK (deferral_days >= 0),
    credit_limit     numeric(14, 2) CHECK (credit_limit >= 0),
    discount_percent numeric(5, 2)  CHECK (discount_percent BETWEEN 0 AND 100),
    starts           date,
    ends             date,
    unit             text        CONSTRAINT deal_unit_fkey REFERENCES crm.unit (code),
    contract_number  text,
    comment          text
);
CREATE INDEX deal_customer_idx ON crm.deal (customer_id, id);
CREATE INDEX deal_stage_idx ON crm.deal (stage, id);
CREATE INDEX deal_owner_idx ON crm.deal (owner, id);
GRANT SELECT, INSERT, UPDATE ON crm.deal TO crm_app;

CREATE TABLE crm.task (
    id          uuid        PRIMARY KEY,
    customer_id uuid        NOT NULL CONSTRAINT task_customer_id_fkey REFERENCES crm.customer (id),
    version     integer     NOT NULL,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    deal_id     uuid        NOT NULL CONSTRAINT task_deal_id_fkey REFERENCES crm.deal (id),
    stage       text        NOT NULL,
    template    text        NOT NULL,
    title       jsonb       NOT NULL,
    assignee    text        NOT NULL,
    due_on      date        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('open', 'done', 'dropped'))
);
CREATE INDEX task_deal_idx ON crm.task (deal_id, id);
CREATE INDEX task_assignee_idx ON crm.task (assignee, id) WHERE status = 'open';
CREATE INDEX task_customer_idx ON crm.task (customer_id, id);
GRANT SELECT, INSERT, UPDATE ON crm.task TO crm_app;

SELECT crm.protect_by_customer('crm.deal', $$'deal'$$), crm.protect_by_customer('crm.task', $$'deal'$$);

-- From the first call to the signed contract; to be changed through the API.
INSERT INTO crm.deal_stage (code, active, title, position, outcome, follows, requires, rules, tasks) VALUES
('contact', true, '{"ru": "Первичный контакт", "en": "First contact", "kk": "Алғашқы байланыс"}', 10, 'open', '{}', '{}', '[]',
 '[{"code": "clarify", "due_days": 1, "title": {"ru": "Связаться с клиентом и уточнить информацию",
    "en": "Call the customer and clarify the details", "kk": "Клиентпен байланысып, ақпаратты нақтылау"}}]'),
('qualification', true, '{"ru": "Квалификация", "en": "Qualification", "kk": "Біліктілікті бағалау"}', 20, 'open', '{contact}',
 '{contact,product,planned_volume}', '[]', '[]'),
('offer', true, '{"ru": "Согласование условий", "en": "Agreeing the terms", "kk": "Шарттарды келісу"}', 30, 'open',
 '{qualification}', '{contact,product,planned_volume,payment,starts,ends,customer.inn}',
 '[{"code": "term-order", "when": [], "then": [{"field": "ends", "op": "gt", "other": "starts"}],
    "message": {"ru": "Срок окончания должен быть позже начала", "en": "The terms must end after they start",
                "kk": "Аяқталу мерзімі басталуынан кейін болуы керек"}},
   {"code": "prepaid-without-deferral", "when": [{"field": "payment", "op": "eq", "value": "prepaid"}],
    "then": [{"field": "deferral_days", "op": "eq", "value": 0}],
    "message": {"ru": "При предоплате отсрочки платежа нет", "en": "There is no deferral with prepayment",
                "kk": "Алдын ала төлемде төлем кейінге қалдырылмайды"}},
   {"code": "deferred-with-days", "when": [{"field": "payment", "op": "eq", "value": "deferred"}],
    "then": [{"field": "deferral_days", "op": "given"}, {"field": "credit_limit", "op": "given"}],
    "message": {"ru": "Для отсрочки нужны срок и кредитный лимит", "en": "A deferral needs its days and a credit limit",
                "kk": "Кейінге қалдыруға мерзім мен несие лимиті қажет"}}]',
 '[{"code": "print-offer", "due_days": 2, "title": {"ru": "Сформировать комплект печатных документов",
    "en": "Prepare the set of printed documents", "kk": "Баспа құжаттар жинағын дайындау"}}]'),
('signed', true, '{"ru": "Договор заключён", "en": "Contract signed", "kk": "Шарт жасалды"}', 40, 'won', '{offer}',
 '{contract_number,unit,starts,ends,customer.inn,customer.kpp,customer.ogrn}', '[]', '[]'),
('lost', true, '{"ru": "Отказ", "en": "Lost", "kk": "Бас тарту"}', 90, 'lost', '{contact,qualification,offer}', '{comment}',
 '[]', '[]');
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'deal-stages', s.code, s.version, s.changed_at, s.changed_by, to_jsonb(s) - '{version,changed_at,changed_by}'::text[]
FROM crm.deal_stage s;

-- A card that was merged meanwhile leads to the one it became (0091).
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.deal FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.task FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
