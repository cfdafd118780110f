-- A ledger of revision 0001 as that release wrote it; statements end with a line of two dashes.
CREATE TABLE job (
	job_id TEXT NOT NULL,
	experiment TEXT NOT NULL,
	backend TEXT NOT NULL,
	provider TEXT NOT NULL,
	payload_sha256 TEXT NOT NULL,
	run_number INTEGER NOT NULL,
	tier TEXT NOT NULL,
	circuits BIGINT NOT NULL,
	shots BIGINT NOT NULL,
	state TEXT NOT NULL,
	version BIGINT NOT NULL,
	attempt INTEGER NOT NULL,
	engine TEXT,
	cost_quoted_microusd BIGINT NOT NULL,
	price_source TEXT NOT NULL,
	cost_microusd BIGINT,
	cost_settled_microusd BIGINT,
	result_sha256 TEXT,
	error TEXT,
	requested_at_us BIGINT,
	created_at_us BIGINT NOT NULL,
	updated_at_us BIGINT NOT NULL,
	requested_backend TEXT NOT NULL,
	principal TEXT NOT NULL,
	environment TEXT NOT NULL,
	data_class TEXT NOT NULL,
	correlation_id TEXT NOT NULL,
	priority INTEGER NOT NULL,
	deadline_at_us BIGINT,
	policy_sha256 TEXT,
	approved_by TEXT,
	rerouted_to TEXT,
	CONSTRAINT job_key PRIMARY KEY (job_id),
	CONSTRAINT job_counts_from_one CHECK (run_number >= 1),
	CONSTRAINT job_has_an_attempt CHECK (attempt >= 1),
	CONSTRAINT job_quote_is_not_negative CHECK (cost_quoted_microusd >= 0),
	CONSTRAINT job_unique_experiment_backend_payload_sha256_run_number UNIQUE (experiment, backend, payload_sha256, run_number)
);
--
CREATE TABLE attempt (
	job_id TEXT NOT NULL,
	number INTEGER NOT NULL,
	token TEXT NOT NULL,
	provider TEXT NOT NULL,
	provider_job_id TEXT,
	outcome TEXT NOT NULL,
	started_at_us BIGINT NOT NULL,
	CONSTRAINT attempt_key PRIMARY KEY (job_id, number),
	CONSTRAINT attempt_unique_token UNIQUE (token),
	CONSTRAINT attempt_unique_provider_provider_job_id UNIQUE (provider, provider_job_id),
	CONSTRAINT attempt_refers_to_job FOREIGN KEY(job_id) REFERENCES job (job_id)
);
--
CREATE TABLE event (
	position BIGINT NOT NULL,
	job_id TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	event TEXT NOT NULL,
	from_state TEXT,
	to_state TEXT NOT NULL,
	at_us BIGINT NOT NULL,
	observed_at_us BIGINT NOT NULL,
	clock TEXT NOT NULL,
	raw_status TEXT,
	detail TEXT,
	previous_hash TEXT NOT NULL,
	hash TEXT NOT NULL,
	CONSTRAINT event_key PRIMARY KEY (position),
	CONSTRAINT event_clock_is_known CHECK (clock IN ('vendor', 'observed')),
	CONSTRAINT event_unique_job_id_sequence UNIQUE (job_id, sequence),
	CONSTRAINT event_refers_to_job FOREIGN KEY(job_id) REFERENCES job (job_id)
);
--
CREATE TABLE chain_head (
	id INTEGER NOT NULL,
	position BIGINT NOT NULL,
	hash TEXT NOT NULL,
	CONSTRAINT chain_head_key PRIMARY KEY (id),
	CONSTRAINT chain_head_has_one_row CHECK (id = 1)
);
--
CREATE TABLE budget (
	experiment TEXT NOT NULL,
	limit_microusd BIGINT NOT NULL,
	reserved_microusd BIGINT NOT NULL,
	settled_microusd BIGINT NOT NULL,
	CONSTRAINT budget_key PRIMARY KEY (experiment),
	CONSTRAINT budget_limit_is_not_negative CHECK (limit_microusd >= 0),
	CONSTRAINT budget_reserved_is_not_negative CHECK (reserved_microusd >= 0),
	CONSTRAINT budget_settled_is_not_negative CHECK (settled_microusd >= 0)
);
--
CREATE TABLE result_ref (
	job_id TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size_bytes BIGINT NOT NULL,
	content_type TEXT NOT NULL,
	stored_at_us BIGINT NOT NULL,
	CONSTRAINT result_ref_key PRIMARY KEY (job_id),
	CONSTRAINT result_ref_refers_to_job FOREIGN KEY(job_id) REFERENCES job (job_id)
);
--
CREATE TABLE breaker (
	backend TEXT NOT NULL,
	state TEXT NOT NULL,
	failures INTEGER NOT NULL,
	opened_at_us BIGINT,
	retry_at_us BIGINT,
	reason TEXT,
	version BIGINT NOT NULL,
	CONSTRAINT breaker_key PRIMARY KEY (backend),
	CONSTRAINT breaker_state_is_known CHECK (state IN ('closed', 'open', 'half_open')),
	CONSTRAINT breaker_failures_are_not_negative CHECK (failures >= 0)
);
--
CREATE TABLE calibration (
	backend TEXT NOT NULL,
	calibration_id TEXT NOT NULL,
	measured_at_us BIGINT NOT NULL,
	fetched_at_us BIGINT NOT NULL,
	payload TEXT NOT NULL,
	CONSTRAINT calibration_key PRIMARY KEY (backend, calibration_id)
);
--
CREATE TABLE ledger_revision (
	version_num VARCHAR(32) NOT NULL,
	PRIMARY KEY (version_num)
);
--
INSERT INTO "job" VALUES('j-verified','maxcut-small-00000000','v:d','v','verified',1,'batch',20,2000,'VERIFIED',9,1,NULL,1250000,'list of 2026-01-01',1100000,1100000,'5555555555555555555555555555555555555555555555555555555555555555',NULL,1777636797123456,1777636800123456,1777636802123456,'v:d','unknown','dev','internal','c5b0970f1d00f6229',0,NULL,NULL,NULL,NULL);
--
INSERT INTO "job" VALUES('j-open','maxcut-small-00000000','v:d','v','open',1,'batch',20,2000,'SUBMITTED',4,1,NULL,1250000,'list of 2026-01-01',NULL,NULL,NULL,NULL,1777636797123456,1777636800123456,1777636802123456,'v:d','unknown','dev','internal','c5b0970f1d00f6229',0,NULL,NULL,NULL,NULL);
--
INSERT INTO "job" VALUES('j-approved','maxcut-small-00000000','v:d','v','approved',1,'batch',20,2000,'APPROVED',2,1,NULL,1250000,'list of 2026-01-01',NULL,NULL,NULL,NULL,1777636797123456,1777636800123456,1777636800123456,'v:d','unknown','dev','internal','c5b0970f1d00f6229',0,NULL,NULL,NULL,NULL);
--
INSERT INTO "job" VALUES('j-twice','maxcut-small-00000000','v:d','v','twice',1,'batch',20,2000,'SUBMITTING',6,2,NULL,1250000,'list of 2026-01-01',NULL,NULL,NULL,NULL,1777636797123456,1777636800123456,1777636802123456,'v:d','unknown','dev','internal','c5b0970f1d00f6229',0,NULL,NULL,NULL,NULL);
--
INSERT INTO "job" VALUES('j-other','karate-00000000','v:d','v','other',1,'batch',20,2000,'SUBMITTING',3,1,NULL,500000,'list of 2026-01-01',NULL,NULL,NULL,NULL,1777636797123456,1777636800123456,1777636800123456,'v:d','unknown','dev','internal','c15c2383e745cf061',0,NULL,NULL,NULL,NULL);
--
INSERT INTO "attempt" VALUES('j-verified',1,'token-verified','v','p-1','accepted',1777636800123456);
--
INSERT INTO "attempt" VALUES('j-open',1,'token-open','v','p-2','accepted',1777636800123456);
--
INSERT INTO "attempt" VALUES('j-approved',1,'token-approved','v',NULL,'open',1777636800123456);
--
INSERT INTO "attempt" VALUES('j-twice',1,'token-twice','v',NULL,'not_accepted',1777636800123456);
--
INSERT INTO "attempt" VALUES('j-twice',2,'token-twice-2','v',NULL,'open',1777636802123456);
--
INSERT INTO "attempt" VALUES('j-other',1,'token-other','v',NULL,'open',1777636800123456);
--
INSERT INTO "event" VALUES(1,'j-verified',1,'JobPlanned',NULL,'PLANNED',1777636800123456,1777636800123456,'observed',NULL,NULL,'0000000000000000000000000000000000000000000000000000000000000000','7d693a3caa1d833d29f70a2d45ef73f62a2bedec0f437c888e3698cc4bfd5022');
--
INSERT INTO "event" VALUES(2,'j-verified',2,'JobApproved','PLANNED','APPROVED',1777636800123456,1777636800123456,'observed',NULL,NULL,'7d693a3caa1d833d29f70a2d45ef73f62a2bedec0f437c888e3698cc4bfd5022','ae467d613fbb9e80906014f7a37ea8b9e2cb43a7548fc742bc213b37b1619e0d');
--
INSERT INTO "event" VALUES(3,'j-verified',3,'JobSubmitting','APPROVED','SUBMITTING',1777636800123456,1777636800123456,'observed',NULL,NULL,'ae467d613fbb9e80906014f7a37ea8b9e2cb43a7548fc742bc213b37b1619e0d','9ade9eef514e8803179daa3f147f704d2590ec14fc87b474f51787c36fbfa58a');
--
INSERT INTO "event" VALUES(4,'j-verified',4,'JobSubmitted','SUBMITTING','SUBMITTED',1777636801123456,1777636802123456,'observed',NULL,NULL,'9ade9eef514e8803179daa3f147f704d2590ec14fc87b474f51787c36fbfa58a','51deb35a82f6a4394d7ad6cdc61d27adf95bfe75d91ec45e37fad36e720397ba');
--
INSERT INTO "event" VALUES(5,'j-verified',5,'JobQueued','SUBMITTED','QUEUED',1777636801123456,1777636802123456,'observed',NULL,NULL,'51deb35a82f6a4394d7ad6cdc61d27adf95bfe75d91ec45e37fad36e720397ba','169b20d43db0fa71ad337e07e326dab44a8a95cad30fed226d4c99261d88fbdc');
--
INSERT INTO "event" VALUES(6,'j-verified',6,'JobStarted','QUEUED','RUNNING',1777636801123456,1777636802123456,'observed',NULL,NULL,'169b20d43db0fa71ad337e07e326dab44a8a95cad30fed226d4c99261d88fbdc','119c929047ce5abe45f37ddbdeda5671aa946fed8ab37c30cf91a77fbfec8a35');
--
INSERT INTO "event" VALUES(7,'j-verified',7,'JobCompleted','RUNNING','COMPLETED',1777636801123456,1777636802123456,'observed',NULL,NULL,'119c929047ce5abe45f37ddbdeda5671aa946fed8ab37c30cf91a77fbfec8a35','5f55b2493bc50e64c68645331bb95fd89290292402d50f18d0784017e43db022');
--
INSERT INTO "event" VALUES(8,'j-verified',8,'JobFetched','COMPLETED','FETCHED',1777636801123456,1777636802123456,'observed',NULL,NULL,'5f55b2493bc50e64c68645331bb95fd89290292402d50f18d0784017e43db022','7379e6d4ff09660054d1046c16993019837980a6084a7c3c1f44c611d0842f17');
--
INSERT INTO "event" VALUES(9,'j-verified',9,'JobVerified','FETCHED','VERIFIED',1777636801123456,1777636802123456,'observed',NULL,NULL,'7379e6d4ff09660054d1046c16993019837980a6084a7c3c1f44c611d0842f17','30993dc827bbacd79bc22b04bc2f37c0be810077dd2081d2e9db14d11c9309b9');
--
INSERT INTO "event" VALUES(10,'j-open',1,'JobPlanned',NULL,'PLANNED',1777636800123456,1777636800123456,'observed',NULL,NULL,'30993dc827bbacd79bc22b04bc2f37c0be810077dd2081d2e9db14d11c9309b9','3ca4c07782e69b5f180ed26e095d45ce5100b32cb7d56e20e64d1f15074e09ca');
--
INSERT INTO "event" VALUES(11,'j-open',2,'JobApproved','PLANNED','APPROVED',1777636800123456,1777636800123456,'observed',NULL,NULL,'3ca4c07782e69b5f180ed26e095d45ce5100b32cb7d56e20e64d1f15074e09ca','c1ba8be1ac484a770ef12363eb0352bd03bd5251abfab1aebe2fac010488359e');
--
INSERT INTO "event" VALUES(12,'j-open',3,'JobSubmitting','APPROVED','SUBMITTING',1777636800123456,1777636800123456,'observed',NULL,NULL,'c1ba8be1ac484a770ef12363eb0352bd03bd5251abfab1aebe2fac010488359e','3fc6810af1e806cc60e1bb7077d51f7eacbf8f9ed603b4b8361ce0f89e7dabbc');
--
INSERT INTO "event" VALUES(13,'j-open',4,'JobSubmitted','SUBMITTING','SUBMITTED',1777636801123456,1777636802123456,'observed',NULL,NULL,'3fc6810af1e806cc60e1bb7077d51f7eacbf8f9ed603b4b8361ce0f89e7dabbc','b90b549d9dfbc0965b60b58e73ba8835015dd67d27d6ac5709980afc1965a6e9');
--
INSERT INTO "event" VALUES(14,'j-approved',1,'JobPlanned',NULL,'PLANNED',1777636800123456,1777636800123456,'observed',NULL,NULL,'b90b549d9dfbc0965b60b58e73ba8835015dd67d27d6ac5709980afc1965a6e9','0ffc35bfae944ce46530f8622c5df3fcaa57a4efde57d970b9e88d004f917fa5');
--
INSERT INTO "event" VALUES(15,'j-approved',2,'JobApproved','PLANNED','APPROVED',1777636800123456,1777636800123456,'observed',NULL,NULL,'0ffc35bfae944ce46530f8622c5df3fcaa57a4efde57d970b9e88d004f917fa5','9946cac2a735e0ae12132bf36f140654c74b8d23e59640b8d6bc36e796a4d35b');
--
INSERT INTO "event" VALUES(16,'j-twice',1,'JobPlanned',NULL,'PLANNED',1777636800123456,1777636800123456,'observed',NULL,NULL,'9946cac2a735e0ae12132bf36f140654c74b8d23e59640b8d6bc36e796a4d35b','31d4a0f2d1c2cd71194f3bcb2d3437453a1e51eb546c3d08f2bb3c1ae0254c77');
--
INSERT INTO "event" VALUES(17,'j-twice',2,'JobApproved','PLANNED','APPROVED',1777636800123456,1777636800123456,'observed',NULL,NULL,'31d4a0f2d1c2cd71194f3bcb2d3437453a1e51eb546c3d08f2bb3c1ae0254c77','25663dc482be0ee7caa96e8cfd272be59b83e0db5016dbfc22e9024c43c5e7ce');
--
INSERT INTO "event" VALUES(18,'j-twice',3,'JobSubmitting','APPROVED','SUBMITTING',1777636800123456,1777636800123456,'observed',NULL,NULL,'25663dc482be0ee7caa96e8cfd272be59b83e0db5016dbfc22e9024c43c5e7ce','b16fbb881af345f9586e7401b3c2382ca2780631ad14bce3e5167d64da4abb8f');
--
INSERT INTO "event" VALUES(19,'j-twice',4,'JobSubmissionUnknown','SUBMITTING','SUBMIT_UNKNOWN',1777636801123456,1777636802123456,'observed',NULL,NULL,'b16fbb881af345f9586e7401b3c2382ca2780631ad14bce3e5167d64da4abb8f','7309471bd703c4eb7fade9f87cd2551ef4969bae20d3c6698a0431837f1f14c3');
--
INSERT INTO "event" VALUES(20,'j-twice',5,'JobConfirmedAbsent','SUBMIT_UNKNOWN','APPROVED',1777636801123456,1777636802123456,'observed',NULL,NULL,'7309471bd703c4eb7fade9f87cd2551ef4969bae20d3c6698a0431837f1f14c3','7bc0d6d7090e84a837da1e51d8de30339f3354c913ff2dcfb72ab9ee195831b6');
--
INSERT INTO "event" VALUES(21,'j-twice',6,'JobSubmitting','APPROVED','SUBMITTING',1777636801123456,1777636802123456,'observed',NULL,NULL,'7bc0d6d7090e84a837da1e51d8de30339f3354c913ff2dcfb72ab9ee195831b6','1212d5e19f521aeeddf97dd7220fbcc2758a4c3b411ee8c32a683fd6a875b92a');
--
INSERT INTO "event" VALUES(22,'j-other',1,'JobPlanned',NULL,'PLANNED',1777636800123456,1777636800123456,'observed',NULL,NULL,'1212d5e19f521aeeddf97dd7220fbcc2758a4c3b411ee8c32a683fd6a875b92a','f457531265ec93d267af76978e4a7664d25188cc9c5ed904d52aa3a137900715');
--
INSERT INTO "event" VALUES(23,'j-other',2,'JobApproved','PLANNED','APPROVED',1777636800123456,1777636800123456,'observed',NULL,NULL,'f457531265ec93d267af76978e4a7664d25188cc9c5ed904d52aa3a137900715','fd6eaa5fcde8817573836d617fc19a19dd690d406ed98bf5d308eeac17dd142a');
--
INSERT INTO "event" VALUES(24,'j-other',3,'JobSubmitting','APPROVED','SUBMITTING',1777636800123456,1777636800123456,'observed',NULL,NULL,'fd6eaa5fcde8817573836d617fc19a19dd690d406ed98bf5d308eeac17dd142a','46890b0930872d998da12d077bf942a2d3a74498c973e1c7226ac2e1dbc9efde');
--
INSERT INTO "chain_head" VALUES(1,24,'46890b0930872d998da12d077bf942a2d3a74498c973e1c7226ac2e1dbc9efde');
--
INSERT INTO "budget" VALUES('maxcut-small-00000000',10000000,3750000,1100000);
--
INSERT INTO "budget" VALUES('karate-00000000',500000,500000,0);
--
INSERT INTO "result_ref" VALUES('j-verified','5555555555555555555555555555555555555555555555555555555555555555',321,'application/json',1777636802123456);
--
INSERT INTO "ledger_revision" VALUES('0001');
--
CREATE INDEX job_by_state ON job (state);
--
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
        BEGIN SELECT RAISE(ABORT, 'events are append-only: no UPDATE'); END;
--
CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
        BEGIN SELECT RAISE(ABORT, 'events are append-only: no DELETE'); END;
--
CREATE TRIGGER event_is_never_replaced BEFORE INSERT ON event
        WHEN EXISTS (SELECT 1 FROM event WHERE position = NEW.position)
        BEGIN SELECT RAISE(ABORT, 'events are append-only: no REPLACE'); END;
--
