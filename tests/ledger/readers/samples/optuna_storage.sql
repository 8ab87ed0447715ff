BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'tpe-0');
INSERT INTO "studies" VALUES(2,'tpe-1');
INSERT INTO "studies" VALUES(3,'random-0');
INSERT INTO "studies" VALUES(4,'random-1');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',2,0);
INSERT INTO "study_directions" VALUES(3,'MINIMIZE',3,0);
INSERT INTO "study_directions" VALUES(4,'MINIMIZE',4,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'method','"tpe"');
INSERT INTO "study_user_attributes" VALUES(2,1,'seed','0');
INSERT INTO "study_user_attributes" VALUES(3,2,'method','"tpe"');
INSERT INTO "study_user_attributes" VALUES(4,2,'seed','1');
INSERT INTO "study_user_attributes" VALUES(5,3,'method','"random"');
INSERT INTO "study_user_attributes" VALUES(6,3,'seed','0');
INSERT INTO "study_user_attributes" VALUES(7,4,'method','"random"');
INSERT INTO "study_user_attributes" VALUES(8,4,'seed','1');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'lr',1.56766771955060683386e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(2,1,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(3,1,'depth',3.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(4,2,'lr',4.95015955373319534692e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(5,2,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(6,3,'lr',3.69055772921376076811e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(7,3,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(8,4,'lr',3.12350359544532522968e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(9,4,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(10,5,'lr',4.65680463791956554368e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(11,5,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(12,5,'depth',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(13,6,'lr',3.86387940515873189043e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(14,6,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(15,7,'lr',2.41125370614757544678e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(16,7,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(17,8,'lr',7.38139175820340344078e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(18,8,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(19,9,'lr',1.56766771955060683386e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(20,9,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(21,9,'depth',3.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(22,10,'lr',4.95015955373319534692e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(23,10,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(24,11,'lr',3.69055772921376076811e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(25,11,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(26,12,'lr',1.46858859892008610653e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(27,12,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(28,13,'lr',4.65680463791956554368e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(29,13,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(30,13,'depth',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(31,14,'lr',3.86387940515873189043e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(32,14,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(33,15,'lr',2.41125370614757544678e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(34,15,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
INSERT INTO "trial_params" VALUES(35,16,'lr',4.75092372103061129709e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(36,16,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,4,'tpe:relative_params:0','"{\"lr\": 0.0003123503595445325, \"optimizer\": \"adam\"}"');
INSERT INTO "trial_system_attributes" VALUES(2,8,'tpe:relative_params:0','"{\"lr\": 0.0007381391758203403, \"optimizer\": \"adam\"}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'gpu','"a"');
INSERT INTO "trial_user_attributes" VALUES(2,5,'gpu','"a"');
INSERT INTO "trial_user_attributes" VALUES(3,9,'gpu','"a"');
INSERT INTO "trial_user_attributes" VALUES(4,13,'gpu','"a"');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,0.677616,'FINITE');
INSERT INTO "trial_values" VALUES(2,3,0,0.5,'FINITE');
INSERT INTO "trial_values" VALUES(3,4,0,2.286103,'FINITE');
INSERT INTO "trial_values" VALUES(4,5,0,1.79399,'FINITE');
INSERT INTO "trial_values" VALUES(5,7,0,0.5,'FINITE');
INSERT INTO "trial_values" VALUES(6,8,0,1.301111,'FINITE');
INSERT INTO "trial_values" VALUES(7,9,0,0.677616,'FINITE');
INSERT INTO "trial_values" VALUES(8,11,0,0.5,'FINITE');
INSERT INTO "trial_values" VALUES(9,12,0,0.347856,'FINITE');
INSERT INTO "trial_values" VALUES(10,13,0,1.79399,'FINITE');
INSERT INTO "trial_values" VALUES(11,15,0,0.5,'FINITE');
INSERT INTO "trial_values" VALUES(12,16,0,NULL,'INF_POS');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-25 21:33:38.123747','2026-11-25 21:33:38.303922');
INSERT INTO "trials" VALUES(2,1,1,'FAIL','2026-11-25 21:33:38.331468','2026-11-25 21:33:38.409898');
INSERT INTO "trials" VALUES(3,2,1,'PRUNED','2026-11-25 21:33:38.429265','2026-11-25 21:33:38.521782');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-25 21:33:38.555621','2026-11-25 21:33:38.638916');
INSERT INTO "trials" VALUES(5,0,2,'COMPLETE','2026-11-25 21:33:38.726004','2026-11-25 21:33:38.775669');
INSERT INTO "trials" VALUES(6,1,2,'FAIL','2026-11-25 21:33:38.781858','2026-11-25 21:33:38.794089');
INSERT INTO "trials" VALUES(7,2,2,'PRUNED','2026-11-25 21:33:38.798608','2026-11-25 21:33:38.812408');
INSERT INTO "trials" VALUES(8,3,2,'COMPLETE','2026-11-25 21:33:38.819019','2026-11-25 21:33:38.838671');
INSERT INTO "trials" VALUES(9,0,3,'COMPLETE','2026-11-25 21:33:38.872227','2026-11-25 21:33:38.894744');
INSERT INTO "trials" VALUES(10,1,3,'FAIL','2026-11-25 21:33:38.903539','2026-11-25 21:33:38.913399');
INSERT INTO "trials" VALUES(11,2,3,'PRUNED','2026-11-25 21:33:38.918401','2026-11-25 21:33:38.929291');
INSERT INTO "trials" VALUES(12,3,3,'COMPLETE','2026-11-25 21:33:38.933977','2026-11-25 21:33:38.944488');
INSERT INTO "trials" VALUES(13,0,4,'COMPLETE','2026-11-25 21:33:38.977446','2026-11-25 21:33:39.006902');
INSERT INTO "trials" VALUES(14,1,4,'FAIL','2026-11-25 21:33:39.017036','2026-11-25 21:33:39.029006');
INSERT INTO "trials" VALUES(15,2,4,'PRUNED','2026-11-25 21:33:39.034408','2026-11-25 21:33:39.046458');
INSERT INTO "trials" VALUES(16,3,4,'COMPLETE','2026-11-25 21:33:39.051621','2026-11-25 21:33:39.063159');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
