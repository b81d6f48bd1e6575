-- Reference data that administrators edit through the API, versioned (app/directory/): regions, calendars,
-- units, people, queues, topics, assignment rules, articles, contact map. The columns of each table are the
-- fields of its form; foreign keys are named <table>_<column>_fkey, as answers to clients are made of the names.

CREATE TABLE crm.directory_version (
    directory  text        NOT NULL,
    code       text        NOT NULL,
    version    integer     NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text        NOT NULL,
    content    jsonb       NOT NULL,
    PRIMARY KEY (directory, code, version)
);
GRANT SELECT, INSERT ON crm.directory_version TO crm_app;

CREATE TABLE crm.region (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      text        NOT NULL,
    time_zone  text        NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.region TO crm_app;

CREATE TABLE crm.calendar (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    time_zone  text,  -- null: the region's
    country    text,  -- whose public holidays are off
    hours      jsonb       NOT NULL,
    special    jsonb       NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.calendar TO crm_app;

CREATE TABLE crm.unit (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    parent     text        REFERENCES crm.unit (code),
    region     text        REFERENCES crm.region (code),
    head       text
);
GRANT SELECT, INSERT, UPDATE ON crm.unit TO crm_app;

CREATE TABLE crm.person (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    name       text        NOT NULL,
    unit       text        NOT NULL REFERENCES crm.unit (code),
    skills     text[]      NOT NULL,
    lines      smallint[]  NOT NULL,
    regions    text[]      NOT NULL,
    capacity   integer     NOT NULL,
    present    boolean     NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.person TO crm_app;
CREATE INDEX person_unit_idx ON crm.person (unit) WHERE active;
ALTER TABLE crm.unit ADD CONSTRAINT unit_head_fkey FOREIGN KEY (head) REFERENCES crm.person (code);
CREATE INDEX unit_parent_idx ON crm.unit (parent);

CREATE TABLE crm.queue (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    unit       text        NOT NULL REFERENCES crm.unit (code)
);
GRANT SELECT, INSERT, UPDATE ON crm.queue TO crm_app;

CREATE TABLE crm.topic (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    queue      text        NOT NULL REFERENCES crm.queue (code),
    line       smallint    NOT NULL,
    priority   text        NOT NULL,
    sla        jsonb       NOT NULL,
    calendar   text        NOT NULL REFERENCES crm.calendar (code),
    importance text        NOT NULL,
    skill      text,
    scenario   text,
    templates  jsonb       NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.topic TO crm_app;

CREATE TABLE crm.assignment_rule (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    position   integer     NOT NULL,
    conditions jsonb       NOT NULL,
    target     text        NOT NULL,
    unit       text        REFERENCES crm.unit (code),
    line       smallint,
    priority   text
);
GRANT SELECT, INSERT, UPDATE ON crm.assignment_rule TO crm_app;

CREATE TABLE crm.article (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    body       jsonb       NOT NULL,
    topics     text[]      NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.article TO crm_app;
CREATE INDEX article_topics_idx ON crm.article USING gin (topics);

CREATE TABLE crm.contact_map (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    example    jsonb       NOT NULL,
    topic      text        NOT NULL REFERENCES crm.topic (code),
    unit       text        NOT NULL REFERENCES crm.unit (code),
    needed     jsonb       NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.contact_map TO crm_app;

-- Where a new installation begins. Everything here can be changed through the API.

INSERT INTO crm.region (code, active, title, time_zone) VALUES
    ('01', true, 'Республика Адыгея', 'Europe/Moscow'),
    ('02', true, 'Республика Башкортостан', 'Asia/Yekaterinburg'),
    ('03', true, 'Республика Бурятия', 'Asia/Irkutsk'),
    ('04', true, 'Республика Алтай', 'Asia/Barnaul'),
    ('05', true, 'Республика Дагестан', 'Europe/Moscow'),
    ('06', true, 'Республика Ингушетия', 'Europe/Moscow'),
    ('07', true, 'Кабардино-Балкарская Республика', 'Europe/Moscow'),
    ('08', true, 'Республика Калмыкия', 'Europe/Moscow'),
    ('09', true, 'Карачаево-Черкесская Республика', 'Europe/Moscow'),
    ('10', true, 'Республика Карелия', 'Europe/Moscow'),
    ('11', true, 'Республика Коми', 'Europe/Moscow'),
    ('12', true, 'Республика Марий Эл', 'Europe/Moscow'),
    ('13', true, 'Республика Мордовия', 'Europe/Moscow'),
    ('14', true, 'Республика Саха (Якутия)', 'Asia/Yakutsk'),
    ('15', true, 'Республика Северная Осетия — Алания', 'Europe/Moscow'),
    ('16', true, 'Республика Татарстан', 'Europe/Moscow'),
    ('17', true, 'Республика Тыва', 'Asia/Krasnoyarsk'),
    ('18', true, 'Удмуртская Республика', 'Europe/Samara'),
    ('19', true, 'Республика Хакасия', 'Asia/Krasnoyarsk'),
    ('20', true, 'Чеченская Республика', 'Europe/Moscow'),
    ('21', true, 'Чувашская Республика', 'Europe/Moscow'),
    ('22', true, 'Алтайский край', 'Asia/Barnaul'),
    ('23', true, 'Краснодарский край', 'Europe/Moscow'),
    ('24', true, 'Красноярский край', 'Asia/Krasnoyarsk'),
    ('25', true, 'Приморский край', 'Asia/Vladivostok'),
    ('26', true, 'Ставропольский край', 'Europe/Moscow'),
    ('27', true, 'Хабаровский край', 'Asia/Vladivostok'),
    ('28', true, 'Амурская область', 'Asia/Yakutsk'),
    ('29', true, 'Архангельская область', 'Europe/Moscow'),
    ('30', true, 'Астраханская область', 'Europe/Astrakhan'),
    ('31', true, 'Белгородская область', 'Europe/Moscow'),
    ('32', true, 'Брянская область', 'Europe/Moscow'),
    ('33', true, 'Владимирская область', 'Europe/Moscow'),
    ('34', true, 'Волгоградская область', 'Europe/Volgograd'),
    ('35', true, 'Вологодская область', 'Europe/Moscow'),
    ('36', true, 'Воронежская область', 'Europe/Moscow'),
    ('37', true, 'Ивановская область', 'Europe/Moscow'),
    ('38', true, 'Иркутская область', 'Asia/Irkutsk'),
    ('39', true, 'Калининградская область', 'Europe/Kaliningrad'),
    ('40', true, 'Калужская область', 'Europe/Moscow'),
    ('41', true, 'Камчатский край', 'Asia/Kamchatka'),
    ('42', true, 'Кемеровская область', 'Asia/Novokuznetsk'),
    ('43', true, 'Кировская область', 'Europe/Moscow'),
    ('44', true, 'Костромская область', 'Europe/Moscow'),
    ('45', true, 'Курганская область', 'Asia/Yekaterinburg'),
    ('46', true, 'Курская область', 'Europe/Moscow'),
    ('47', true, 'Ленинградская область', 'Europe/Moscow'),
    ('48', true, 'Липецкая область', 'Europe/Moscow'),
    ('49', true, 'Магаданская область', 'Asia/Magadan'),
    ('50', true, 'Московская область', 'Europe/Moscow'),
    ('51', true, 'Мурманская область', 'Europe/Moscow'),
    ('52', true, 'Нижегородская область', 'Europe/Moscow'),
    ('53', true, 'Новгородская область', 'Europe/Moscow'),
    ('54', true, 'Новосибирская область', 'Asia/Novosibirsk'),
    ('55', true, 'Омская область', 'Asia/Omsk'),
    ('56', true, 'Оренбургская область', 'Asia/Yekaterinburg'),
    ('57', true, 'Орловская область', 'Europe/Moscow'),
    ('58', true, 'Пензенская область', 'Europe/Moscow'),
    ('59', true, 'Пермский край', 'Asia/Yekaterinburg'),
    ('60', true, 'Псковская область', 'Europe/Moscow'),
    ('61', true, 'Ростовская область', 'Europe/Moscow'),
    ('62', true, 'Рязанская область', 'Europe/Moscow'),
    ('63', true, 'Самарская область', 'Europe/Samara'),
    ('64', true, 'Саратовская область', 'Europe/Saratov'),
    ('65', true, 'Сахалинская область', 'Asia/Sakhalin'),
    ('66', true, 'Свердловская область', 'Asia/Yekaterinburg'),
    ('67', true, 'Смоленская область', 'Europe/Moscow'),
    ('68', true, 'Тамбовская область', 'Europe/Moscow'),
    ('69', true, 'Тверская область', 'Europe/Moscow'),
    ('70', true, 'Томская область', 'Asia/Tomsk'),
    ('71', true, 'Тульская область', 'Europe/Moscow'),
    ('72', true, 'Тюменская область', 'Asia/Yekaterinburg'),
    ('73', true, 'Ульяновская область', 'Europe/Ulyanovsk'),
    ('74', true, 'Челябинская область', 'Asia/Yekaterinburg'),
    ('75', true, 'Забайкальский край', 'Asia/Chita'),
    ('76', true, 'Ярославская область', 'Europe/Moscow'),
    ('77', true, 'Москва', 'Europe/Moscow'),
    ('78', true, 'Санкт-Петербург', 'Europe/Moscow'),
    ('79', true, 'Еврейская автономная область', 'Asia/Vladivostok'),
    ('83', true, 'Ненецкий автономный округ', 'Europe/Moscow'),
    ('86', true, 'Ханты-Мансийский автономный округ — Югра', 'Asia/Yekaterinburg'),
    ('87', true, 'Чукотский автономный округ', 'Asia/Anadyr'),
    ('89', true, 'Ямало-Ненецкий автономный округ', 'Asia/Yekaterinburg');

INSERT INTO crm.calendar (code, active, title, country, hours, special)
SELECT 'always', true, jsonb_build_object('ru', 'Круглосуточно', 'en', 'Around the clock', 'kk', 'Тәулік бойы'), NULL,
       jsonb_agg(jsonb_build_object('weekday', d, 'start', '00:00', 'end', '24:00')), '[]'::jsonb
FROM generate_series(1, 7) d
UNION ALL
SELECT 'office', true, jsonb_build_object('ru', 'Рабочие дни', 'en', 'Working days', 'kk', 'Жұмыс күндері'), 'RU',
       jsonb_agg(jsonb_build_object('weekday', d, 'start', '09:00', 'end', '18:00')), '[]'::jsonb
FROM generate_series(1, 5) d;

INSERT INTO crm.unit (code, active, title) VALUES
    ('contact-centre', true, jsonb_build_object('ru', 'Контакт-центр', 'en', 'Contact centre', 'kk', 'Байланыс орталығы')),
    ('integration-support', true, jsonb_build_object('ru', 'Поддержка интеграций', 'en', 'Integration support', 'kk', 'Интеграцияларды қолдау'));

-- Seventeen queues: by block of accounting and by integrated system (seed 003).
INSERT INTO crm.queue (code, active, unit, title) VALUES
    ('general', true, 'contact-centre',
     jsonb_build_object('ru', 'Общие вопросы', 'en', 'General questions', 'kk', 'Жалпы сұрақтар')),
    ('cards', true, 'contact-centre',
     jsonb_build_object('ru', 'Топливные карты', 'en', 'Fuel cards', 'kk', 'Отын карталары')),
    ('contracts', true, 'contact-centre',
     jsonb_build_object('ru', 'Договоры', 'en', 'Contracts', 'kk', 'Шарттар')),
    ('portal', true, 'contact-centre',
     jsonb_build_object('ru', 'Личный кабинет', 'en', 'Personal account', 'kk', 'Жеке кабинет')),
    ('billing', true, 'contact-centre',
     jsonb_build_object('ru', 'Расчёты и документы', 'en', 'Billing and documents', 'kk', 'Есеп айырысу және құжаттар')),
    ('loyalty', true, 'contact-centre',
     jsonb_build_object('ru', 'Система лояльности', 'en', 'Loyalty system', 'kk', 'Адалдық жүйесі')),
    ('complaints', true, 'contact-centre',
     jsonb_build_object('ru', 'Жалобы и отзывы', 'en', 'Complaints and reviews', 'kk', 'Шағымдар мен пікірлер')),
    ('sales', true, 'contact-centre',
     jsonb_build_object('ru', 'Привлечение клиентов', 'en', 'Acquisition', 'kk', 'Клиенттерді тарту')),
    ('pos', true, 'integration-support',
     jsonb_build_object('ru', 'Кассовая система', 'en', 'Point of sale', 'kk', 'Касса жүйесі')),
    ('accounting', true, 'integration-support',
     jsonb_build_object('ru', 'Бухгалтерия', 'en', 'Accounting', 'kk', 'Бухгалтерия')),
    ('sales-site', true, 'integration-support',
     jsonb_build_object('ru', 'Сайт продаж', 'en', 'Sales site', 'kk', 'Сату сайты')),
    ('fuel-planning', true, 'integration-support',
     jsonb_build_object('ru', 'Планирование поставок топлива', 'en', 'Fuel supply planning', 'kk', 'Отын жеткізуді жоспарлау')),
    ('stock-fuel', true, 'integration-support',
     jsonb_build_object('ru', 'Учёт нефтепродуктов', 'en', 'Fuel stock', 'kk', 'Мұнай өнімдерінің есебі')),
    ('stock-goods', true, 'integration-support',
     jsonb_build_object('ru', 'Учёт товаров', 'en', 'Goods stock', 'kk', 'Тауарлар есебі')),
    ('prices', true, 'integration-support',
     jsonb_build_object('ru', 'Цены и скидки', 'en', 'Prices and discounts', 'kk', 'Бағалар мен жеңілдіктер')),
    ('day-close', true, 'integration-support',
     jsonb_build_object('ru', 'Закрытие операционного дня', 'en', 'Close of the day', 'kk', 'Операциялық күнді жабу')),
    ('access', true, 'integration-support',
     jsonb_build_object('ru', 'Права и доступ', 'en', 'Rights and access', 'kk', 'Құқықтар мен қолжетімділік'));

-- A topic for each queue; the integrated systems are served 24/7, the rest by the working calendar (R5).
WITH sla AS (
    SELECT jsonb_object_agg(p.priority, jsonb_build_object(
               'reaction_minutes', p.reaction, 'solution_minutes', p.solution)) AS document
    FROM (VALUES ('low', 480, 2400), ('normal', 120, 960), ('high', 30, 240), ('critical', 15, 120))
         AS p (priority, reaction, solution)
)
INSERT INTO crm.topic (code, active, title, queue, line, priority, sla, calendar, importance, templates)
SELECT q.code, true, q.title, q.code, 1, t.priority, sla.document, t.calendar, t.importance,
       '{"registered": null, "closed": null}'::jsonb
FROM sla, crm.queue q, LATERAL (
    SELECT CASE WHEN q.code = 'pos' THEN 'critical' ELSE 'normal' END AS priority,
           CASE WHEN q.unit = 'integration-support' THEN 'always' ELSE 'office' END AS calendar,
           CASE WHEN q.code = 'pos' THEN 'critical' ELSE 'info' END AS importance
) t;

-- VIP to the personal manager; customers to the office that keeps their contract; the rest to the queue's unit.
INSERT INTO crm.assignment_rule (code, active, position, target, title, conditions) VALUES
    ('vip', true, 100, 'manager', jsonb_build_object('ru', 'VIP — персональному менеджеру', 'en', 'VIP to the personal manager', 'kk', 'VIP — жеке менеджерге'),
     '{"vip": true}'),
    ('contract-office', true, 9000, 'contract_unit', jsonb_build_object('ru', 'В офис договора', 'en', 'To the contract office', 'kk', 'Шарт кеңсесіне'),
     '{"parties": ["customer"]}'),
    ('queue-unit', true, 10000, 'queue', jsonb_build_object('ru', 'В подразделение очереди', 'en', 'To the unit of the queue', 'kk', 'Кезек бөлімшесіне'),
     '{}');

DO $$
DECLARE
    entry record;
BEGIN
    FOR entry IN
        SELECT * FROM (VALUES ('regions', 'region'), ('calendars', 'calendar'), ('units', 'unit'),
                              ('queues', 'queue'), ('topics', 'topic'), ('assignment-rules', 'assignment_rule'))
            AS d (directory, relation)
    LOOP
        EXECUTE format(
            'INSERT INTO crm.directory_version SELECT %L, code, version, changed_at, changed_by,'
            ' to_jsonb(t) - ''{version,changed_at,changed_by}''::text[] FROM crm.%I t',
            entry.directory, entry.relation);
    END LOOP;
END $$;
