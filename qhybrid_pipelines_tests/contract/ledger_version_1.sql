BEGIN TRANSACTION;
CREATE TABLE attempt (
                job_id TEXT NOT NULL REFERENCES job (job_id),
                number INTEGER NOT NULL,
                token TEXT NOT NULL UNIQUE,
                provider TEXT NOT NULL,
                provider_job_id TEXT,
                outcome TEXT NOT NULL,
                started_at_us BIGINT NOT NULL,
                PRIMARY KEY (job_id, number),
                UNIQUE (provider, provider_job_id)
            );
INSERT INTO "attempt" VALUES('j-a',1,'token-a','v','p-1','accepted',1777636800123456);
INSERT INTO "attempt" VALUES('j-b',1,'token-b','v',NULL,'unknown',1777636800123456);
CREATE TABLE budget (
                experiment TEXT PRIMARY KEY,
                limit_microusd BIGINT NOT NULL CHECK (limit_microusd >= 0),
                reserved_microusd BIGINT NOT NULL CHECK (reserved_microusd >= 0),
                settled_microusd BIGINT NOT NULL CHECK (settled_microusd >= 0)
            );
INSERT INTO "budget" VALUES('maxcut-small-00000000',2000000,750000,250000);
CREATE TABLE chain_head (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                position BIGINT NOT NULL,
                hash TEXT NOT NULL
            );
INSERT INTO "chain_head" VALUES(1,13,'6a1123a1f498b95b4b7f7c0d62975cc067aeafb0207da7568e8c79b2893a07ae');
CREATE TABLE event (
                position BIGINT PRIMARY KEY,
                job_id TEXT NOT NULL REFERENCES job (job_id),
                sequence BIGINT NOT NULL,
                event TEXT NOT NULL,
                from_state TEXT,
                to_state TEXT NOT NULL,
                at_us BIGINT NOT NULL,
                observed_at_us BIGINT NOT NULL,
                clock TEXT NOT NULL CHECK (clock IN ('vendor', 'observed')),
                raw_status TEXT,
                detail TEXT,
                previous_hash TEXT NOT NULL,
                hash TEXT NOT NULL,
                UNIQUE (job_id, sequence)
            );
INSERT INTO "event" VALUES(1,'j-a',1,'JobPlanned',NULL,'PLANNED',1777636800123456,1777636800123456,'observed',NULL,NULL,'0000000000000000000000000000000000000000000000000000000000000000','d5b9689992da61adc286d9a652a65d4d7f0566aa88484d0dbab401a455767ce3');
INSERT INTO "event" VALUES(2,'j-a',2,'JobApproved','PLANNED','APPROVED',1777636800123456,1777636800123456,'observed',NULL,NULL,'d5b9689992da61adc286d9a652a65d4d7f0566aa88484d0dbab401a455767ce3','5d84bc5afb12e65d1482cbfc34abf77e369f45a4b97c193b8fa722345f5039cc');
INSERT INTO "event" VALUES(3,'j-a',3,'JobSubmitting','APPROVED','SUBMITTING',1777636800123456,1777636800123456,'observed',NULL,NULL,'5d84bc5afb12e65d1482cbfc34abf77e369f45a4b97c193b8fa722345f5039cc','5055a2e3ebf816a58d162509b5dfcb43734b897b0216da0fe115f27fe947c52d');
INSERT INTO "event" VALUES(4,'j-a',4,'JobSubmitted','SUBMITTING','SUBMITTED',1777636801123456,1777636802123456,'observed',NULL,NULL,'5055a2e3ebf816a58d162509b5dfcb43734b897b0216da0fe115f27fe947c52d','d80dfb4aeb43af79798dc4de99b3a0320854f7f0e04e594af5fde6e51f543a54');
INSERT INTO "event" VALUES(5,'j-a',5,'JobQueued','SUBMITTED','QUEUED',1777636801123456,1777636802123456,'observed',NULL,NULL,'d80dfb4aeb43af79798dc4de99b3a0320854f7f0e04e594af5fde6e51f543a54','007aaaf61d72c7c4e0f031f6f3af5e7c5238ba0acda47089d5b9bf8425da4d1b');
INSERT INTO "event" VALUES(6,'j-a',6,'JobStarted','QUEUED','RUNNING',1777636801123456,1777636802123456,'observed',NULL,NULL,'007aaaf61d72c7c4e0f031f6f3af5e7c5238ba0acda47089d5b9bf8425da4d1b','0104ac85c36583ec0a40dc1fd7aa1cea17541e7a259a08fd38d6f03dfa59cc68');
INSERT INTO "event" VALUES(7,'j-a',7,'JobCompleted','RUNNING','COMPLETED',1777636801123456,1777636802123456,'observed',NULL,NULL,'0104ac85c36583ec0a40dc1fd7aa1cea17541e7a259a08fd38d6f03dfa59cc68','d680a6e8165c05cf3a8ab6b0ce8647eeae592bb86d6503c1a541f04421c72050');
INSERT INTO "event" VALUES(8,'j-a',8,'JobFetched','COMPLETED','FETCHED',1777636801123456,1777636802123456,'observed',NULL,NULL,'d680a6e8165c05cf3a8ab6b0ce8647eeae592bb86d6503c1a541f04421c72050','7334aef12ceb98de5397040a92d64360f32a265a1adf225c401e7d9367693924');
INSERT INTO "event" VALUES(9,'j-a',9,'JobVerified','FETCHED','VERIFIED',1777636801123456,1777636802123456,'observed',NULL,NULL,'7334aef12ceb98de5397040a92d64360f32a265a1adf225c401e7d9367693924','643fcde44c8d12c70c6d01a863ea865ac2542065b97f4c2776d4e8cc4d3b871e');
INSERT INTO "event" VALUES(10,'j-b',1,'JobPlanned',NULL,'PLANNED',1777636800123456,1777636800123456,'observed',NULL,NULL,'643fcde44c8d12c70c6d01a863ea865ac2542065b97f4c2776d4e8cc4d3b871e','be6aebde34bff31456a00e27aaa24258bb0535ecf39cf248be3552c6da96d7d3');
INSERT INTO "event" VALUES(11,'j-b',2,'JobApproved','PLANNED','APPROVED',1777636800123456,1777636800123456,'observed',NULL,NULL,'be6aebde34bff31456a00e27aaa24258bb0535ecf39cf248be3552c6da96d7d3','31299ab4b2e7cc599b8b7a1160bdd95faddc836017e981471880d0e7e9989407');
INSERT INTO "event" VALUES(12,'j-b',3,'JobSubmitting','APPROVED','SUBMITTING',1777636800123456,1777636800123456,'observed',NULL,NULL,'31299ab4b2e7cc599b8b7a1160bdd95faddc836017e981471880d0e7e9989407','63da202457ae638a5eff8616572928471ce8639471ad2888e2308fc68ba390a9');
INSERT INTO "event" VALUES(13,'j-b',4,'JobSubmissionUnknown','SUBMITTING','SUBMIT_UNKNOWN',1777636801123456,1777636802123456,'observed',NULL,NULL,'63da202457ae638a5eff8616572928471ce8639471ad2888e2308fc68ba390a9','6a1123a1f498b95b4b7f7c0d62975cc067aeafb0207da7568e8c79b2893a07ae');
CREATE TABLE job (
                job_id TEXT PRIMARY KEY,
                experiment TEXT NOT NULL,
                backend TEXT NOT NULL,
                provider TEXT NOT NULL,
                payload_sha256 TEXT NOT NULL,
                run_number INTEGER NOT NULL CHECK (run_number >= 1),
                tier TEXT NOT NULL,
                circuits BIGINT NOT NULL,
                shots BIGINT NOT NULL,
                state TEXT NOT NULL,
                version BIGINT NOT NULL,
                attempt INTEGER NOT NULL CHECK (attempt >= 1),
                engine TEXT,
                cost_quoted_microusd BIGINT NOT NULL CHECK (cost_quoted_microusd >= 0),
                price_source TEXT NOT NULL,
                cost_microusd BIGINT,
                cost_settled_microusd BIGINT,
                result_sha256 TEXT,
                error TEXT,
                requested_at_us BIGINT,
                created_at_us BIGINT NOT NULL,
                updated_at_us BIGINT NOT NULL,
                UNIQUE (experiment, backend, payload_sha256, run_number)
            );
INSERT INTO "job" VALUES('j-a','maxcut-small-00000000','v:d','v','a',1,'batch',20,2000,'VERIFIED',9,1,'e-1',500000,'list of 2026-01-01',250000,250000,'0000000000000000000000000000000000000000000000000000000000000000',NULL,1777636797123456,1777636800123456,1777636802123456);
INSERT INTO "job" VALUES('j-b','maxcut-small-00000000','v:d','v','b',1,'batch',20,2000,'SUBMIT_UNKNOWN',4,1,NULL,750000,'list of 2026-01-01',NULL,NULL,NULL,NULL,1777636797123456,1777636800123456,1777636802123456);
CREATE TABLE result_ref (
                job_id TEXT PRIMARY KEY REFERENCES job (job_id),
                sha256 TEXT NOT NULL,
                size_bytes BIGINT NOT NULL,
                content_type TEXT NOT NULL,
                stored_at_us BIGINT NOT NULL
            );
INSERT INTO "result_ref" VALUES('j-a','0000000000000000000000000000000000000000000000000000000000000000',12,'application/json',1777636802123456);
CREATE TABLE schema_version (
        version INTEGER PRIMARY KEY,
        summary TEXT NOT NULL,
        applied_at_us BIGINT NOT NULL
    );
INSERT INTO "schema_version" VALUES(1,'jobs, attempts, chained events, budgets, results',1795424205354225);
CREATE INDEX job_by_state ON job (state);
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
                BEGIN SELECT RAISE(ABORT, 'events are append-only: no UPDATE'); END;
CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
                BEGIN SELECT RAISE(ABORT, 'events are append-only: no DELETE'); END;
CREATE TRIGGER event_is_never_replaced BEFORE INSERT ON event
                WHEN EXISTS (SELECT 1 FROM event WHERE position = NEW.position)
                BEGIN SELECT RAISE(ABORT, 'events are append-only: no REPLACE'); END;
COMMIT;
