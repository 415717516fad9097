package config

// Operator configures how usher reads and changes account JWTs.
type Operator struct {
	Dir              string          `yaml:"dir" rule:"path" doc:"Directory with operator.jwt and, in accounts/, one NAME.jwt for each account, as last pushed to the resolver."`
	SigningKeyFile   string          `yaml:"signing_key_file" rule:"path" doc:"File with the seed (SO…) of the operator or of one of its signing keys. usher nkey and usher project sign with it, and usher check verifies that the key is the operator's. You can set it even if the file is not on the machine that runs usher serve."`
	SigningCommand   []string        `yaml:"signing_command" default:"[]" rule:"program" doc:"Instead of operator.signing_key_file: a program, with its arguments, that signs account JWTs. It signs with the key of operator.signing_public_key, which is stored elsewhere (docs/reference/signing-programs.md). If you set it, only root and the user that runs usher may be able to change the configuration file."`
	SigningPublicKey string          `yaml:"signing_public_key" rule:"operator-key" doc:"Public key (O…) of the key that operator.signing_command signs with."`
	SystemCredsFile  string          `yaml:"system_creds_file" rule:"path" doc:"Credentials file (.creds) of a user of the system account. usher nkey, usher project and usher check use it to query the servers and to push account JWTs to the resolver. Like the signing key, it can be on another machine."`
	CreateAccounts   bool            `yaml:"create_accounts" doc:"Let the running service create and close the accounts of projects when the management API creates or deletes a project. The service then signs for the operator and is a user of the system account: an attacker who controls it controls every account (docs/explanation/security.md). A signing program can refuse requests that it is not meant for; a key in a file cannot."`
	AccountTemplate  AccountTemplate `yaml:"account_template" doc:"What the account of a new project contains. A change does not affect existing accounts."`
}

// AccountTemplate is the content of the account JWT of a new project.
type AccountTemplate struct {
	Limits    AccountLimits    `yaml:"limits" doc:"Limits of the account of a project. -1: no limit."`
	JetStream AccountJetStream `yaml:"jetstream" doc:"JetStream limits of the account of a project. -1: no limit. If both storage limits are 0, the account has no JetStream."`
	Imports   []AccountImport  `yaml:"imports" default:"[]" rule:"imports" doc:"What the account of a project imports, such as {account: INGEST, subject: \"habitat.event.>\", type: stream}. An export that requires an activation token cannot be imported here."`
	Exports   []AccountExport  `yaml:"exports" default:"[]" rule:"exports" doc:"What the account of a project exports to other accounts."`
}

// AccountLimits are the limits of an account.
type AccountLimits struct {
	Connections     int  `yaml:"connections" default:"-1" rule:"account-connections" doc:"Maximum number of client connections."`
	LeafNodes       int  `yaml:"leaf_nodes" default:"-1" rule:"no-limit-or-more" doc:"Maximum number of leaf node connections."`
	Subscriptions   int  `yaml:"subscriptions" default:"-1" rule:"no-limit-or-more" doc:"Maximum number of subscriptions of one connection."`
	Payload         int  `yaml:"payload" default:"-1" rule:"no-limit-or-more" doc:"Maximum size of a message, in bytes."`
	Imports         int  `yaml:"imports" default:"-1" rule:"no-limit-or-more" doc:"Maximum number of imports."`
	Exports         int  `yaml:"exports" default:"-1" rule:"no-limit-or-more" doc:"Maximum number of exports."`
	WildcardExports bool `yaml:"wildcard_exports" default:"true" doc:"Whether exports may have wildcards."`
}

// AccountJetStream are the JetStream limits of an account.
type AccountJetStream struct {
	MemoryStorage    int  `yaml:"memory_storage" default:"-1" rule:"no-limit-or-more" doc:"Maximum memory of all streams, in bytes."`
	DiskStorage      int  `yaml:"disk_storage" default:"-1" rule:"no-limit-or-more" doc:"Maximum disk space of all streams, in bytes."`
	Streams          int  `yaml:"streams" default:"-1" rule:"no-limit-or-more" doc:"Maximum number of streams."`
	Consumers        int  `yaml:"consumers" default:"-1" rule:"no-limit-or-more" doc:"Maximum number of consumers."`
	MaxAckPending    int  `yaml:"max_ack_pending" default:"-1" rule:"no-limit-or-more" doc:"Maximum number of messages of one consumer that are delivered and not yet acknowledged."`
	MaxBytesRequired bool `yaml:"max_bytes_required" doc:"Whether every stream must set max_bytes."`
}

// AccountImport is an import of an account.
type AccountImport struct {
	Name         string `yaml:"name" rule:"line" doc:"Name of the import, for people."`
	Account      string `yaml:"account" required:"true" rule:"account" hint:"the name of an account in keyring.yaml, or its public key (A…)" doc:"Account that exports it: a name in keyring.yaml, or a public key (A…)."`
	Subject      string `yaml:"subject" required:"true" rule:"line" doc:"Subject, as the other account exports it."`
	LocalSubject string `yaml:"local_subject" rule:"line" doc:"Subject in the account of the project. If empty, it is the same."`
	Type         string `yaml:"type" required:"true" rule:"one-of=stream|service" doc:"What the other account exports."`
}

// AccountExport is an export of an account.
type AccountExport struct {
	Name          string `yaml:"name" rule:"line" doc:"Name of the export, for people."`
	Subject       string `yaml:"subject" required:"true" rule:"line" doc:"Subject of the export."`
	Type          string `yaml:"type" required:"true" rule:"one-of=stream|service" doc:"What is exported."`
	TokenRequired bool   `yaml:"token_required" doc:"Whether an account needs an activation token to import it. Without it every account can."`
}
