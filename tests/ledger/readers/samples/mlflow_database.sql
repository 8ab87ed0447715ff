BEGIN TRANSACTION;
CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
CREATE TABLE "latest_metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT, 
	step BIGINT NOT NULL, 
	is_nan BOOLEAN NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "experiments" VALUES(0,'Default','mlruns/0','active',1795642424049,1795642424049,'default');
INSERT INTO "experiments" VALUES(1,'cifar','mlruns/1','active',1795642424053,1795642424053,'default');
INSERT INTO "latest_metrics" VALUES('loss',0.5,1795642424089,1,0,'03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "latest_metrics" VALUES('val/accuracy',0.9,1795642424094,0,0,'03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "latest_metrics" VALUES('loss',3.33333333333333314829e-01,1795642424120,1,0,'9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "latest_metrics" VALUES('val/accuracy',0.91,1795642424123,0,0,'9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "latest_metrics" VALUES('loss',0.25,1795642424146,1,0,'50a000bf942b4701bb64a3f03e438607');
INSERT INTO "latest_metrics" VALUES('val/accuracy',0.92,1795642424149,0,0,'50a000bf942b4701bb64a3f03e438607');
INSERT INTO "latest_metrics" VALUES('loss',0.5,1795642424177,1,0,'5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "latest_metrics" VALUES('val/accuracy',0.88,1795642424180,0,0,'5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "latest_metrics" VALUES('loss',3.33333333333333314829e-01,1795642424203,1,0,'7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "latest_metrics" VALUES('val/accuracy',0.89,1795642424206,0,0,'7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "latest_metrics" VALUES('loss',0.25,1795642424228,1,0,'4d93c46a29a940468249498b4a56dcf9');
INSERT INTO "params" VALUES('optimizer','adam','03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "params" VALUES('seed','0','03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "params" VALUES('optimizer','adam','9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "params" VALUES('seed','1','9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "params" VALUES('optimizer','adam','50a000bf942b4701bb64a3f03e438607');
INSERT INTO "params" VALUES('seed','2','50a000bf942b4701bb64a3f03e438607');
INSERT INTO "params" VALUES('optimizer','sgd','5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "params" VALUES('seed','0','5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "params" VALUES('optimizer','sgd','7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "params" VALUES('seed','1','7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "params" VALUES('optimizer','sgd','4d93c46a29a940468249498b4a56dcf9');
INSERT INTO "params" VALUES('seed','2','4d93c46a29a940468249498b4a56dcf9');
INSERT INTO "runs" VALUES('03aa5799d42b4b0ca0629b1906b504e1','adam-0','UNKNOWN','','','user','FINISHED',1795642424064,1795642424097,'','deleted','mlruns/1/03aa5799d42b4b0ca0629b1906b504e1/artifacts',1,1795642424246);
INSERT INTO "runs" VALUES('9bb2a4df4ec8462ba645263d11329f24','adam-1','UNKNOWN','','','user','FINISHED',1795642424103,1795642424126,'','active','mlruns/1/9bb2a4df4ec8462ba645263d11329f24/artifacts',1,NULL);
INSERT INTO "runs" VALUES('50a000bf942b4701bb64a3f03e438607','adam-2','UNKNOWN','','','user','FINISHED',1795642424131,1795642424152,'','active','mlruns/1/50a000bf942b4701bb64a3f03e438607/artifacts',1,NULL);
INSERT INTO "runs" VALUES('5c6a27655c9c40d983e2ca356a1dd907','sgd-0','UNKNOWN','','','user','FINISHED',1795642424156,1795642424183,'','active','mlruns/1/5c6a27655c9c40d983e2ca356a1dd907/artifacts',1,NULL);
INSERT INTO "runs" VALUES('7a5b7a08f4fa4f6e801dc4145188f6e1','sgd-1','UNKNOWN','','','user','FINISHED',1795642424187,1795642424209,'','active','mlruns/1/7a5b7a08f4fa4f6e801dc4145188f6e1/artifacts',1,NULL);
INSERT INTO "runs" VALUES('4d93c46a29a940468249498b4a56dcf9','sgd-2','UNKNOWN','','','user','FAILED',1795642424213,1795642424232,'','active','mlruns/1/4d93c46a29a940468249498b4a56dcf9/artifacts',1,NULL);
INSERT INTO "tags" VALUES('mlflow.user','user','03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "tags" VALUES('mlflow.source.name','ml.py','03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "tags" VALUES('mlflow.runName','adam-0','03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "tags" VALUES('task','cifar10','03aa5799d42b4b0ca0629b1906b504e1');
INSERT INTO "tags" VALUES('mlflow.user','user','9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "tags" VALUES('mlflow.source.name','ml.py','9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "tags" VALUES('mlflow.runName','adam-1','9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "tags" VALUES('task','cifar10','9bb2a4df4ec8462ba645263d11329f24');
INSERT INTO "tags" VALUES('mlflow.user','user','50a000bf942b4701bb64a3f03e438607');
INSERT INTO "tags" VALUES('mlflow.source.name','ml.py','50a000bf942b4701bb64a3f03e438607');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','50a000bf942b4701bb64a3f03e438607');
INSERT INTO "tags" VALUES('mlflow.runName','adam-2','50a000bf942b4701bb64a3f03e438607');
INSERT INTO "tags" VALUES('task','cifar10','50a000bf942b4701bb64a3f03e438607');
INSERT INTO "tags" VALUES('mlflow.user','user','5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "tags" VALUES('mlflow.source.name','ml.py','5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "tags" VALUES('mlflow.runName','sgd-0','5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "tags" VALUES('task','cifar10','5c6a27655c9c40d983e2ca356a1dd907');
INSERT INTO "tags" VALUES('mlflow.user','user','7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "tags" VALUES('mlflow.source.name','ml.py','7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "tags" VALUES('mlflow.runName','sgd-1','7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "tags" VALUES('task','cifar10','7a5b7a08f4fa4f6e801dc4145188f6e1');
INSERT INTO "tags" VALUES('mlflow.user','user','4d93c46a29a940468249498b4a56dcf9');
INSERT INTO "tags" VALUES('mlflow.source.name','ml.py','4d93c46a29a940468249498b4a56dcf9');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','4d93c46a29a940468249498b4a56dcf9');
INSERT INTO "tags" VALUES('mlflow.runName','sgd-2','4d93c46a29a940468249498b4a56dcf9');
INSERT INTO "tags" VALUES('task','cifar10','4d93c46a29a940468249498b4a56dcf9');
COMMIT;
