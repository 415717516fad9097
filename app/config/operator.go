package config

// Operator says what it takes to change account JWTs.
type Operator struct {
	Dir              string          `yaml:"dir" rule:"path" doc:"Directory with operator.jwt and, in accounts/, one NAME.jwt for each account, as they were pushed to the resolver last."`
	SigningKeyFile   string          `yaml:"signing_key_file" rule:"path" doc:"File with the seed of the operator (SO…), or of one of its signing keys. usher nkey and usher project sign with it, and usher check looks whether it is the operator's; it need not be on the machine that usher serve runs on, and may be named here all the same."`
	SigningCommand   []string        `yaml:"signing_command" default:"[]" rule:"program" doc:"In place of operator.signing_key_file: program with its arguments that signs account JWTs with the key of operator.signing_public_key, which is elsewhere (docs/signing-elsewhere.md). Nobody but root and the user that usher runs as may be able to change the configuration file then."`
	SigningPublicKey string          `yaml:"signing_public_key" rule:"operator-key" doc:"Public key (O…) that operator.signing_command signs with."`
	SystemCredsFile  string          `yaml:"system_creds_file" rule:"path" doc:"Credentials file (.creds) of a user of the system account, with which usher nkey, usher project and usher check ask the servers, and push to the resolver. Like the signing key it may be elsewhere."`
	CreateAccounts   bool            `yaml:"create_accounts" doc:"Let the running service make and close the accounts of projects, when the management API makes or removes one. It then signs for the operator and is a user of the system account: whoever takes it over has every account (docs/security.md). A signing program can refuse what is none of its business, which a key in a file cannot."`
	AccountTemplate  AccountTemplate `yaml:"account_template" doc:"What the account of a project is when it is made. A change of it changes no account that is there."`
}

// AccountTemplate is what the account JWT of a project begins with.
type AccountTemplate struct {
	Limits    AccountLimits    `yaml:"limits" doc:"Limits of the account of a project. -1 is no limit."`
	JetStream AccountJetStream `yaml:"jetstream" doc:"JetStream of the account of a project. -1 is no limit; with both storages 0 it has no JetStream."`
	Imports   []AccountImport  `yaml:"imports" default:"[]" rule:"imports" doc:"What the account of a project imports, such as {account: INGEST, subject: \"habitat.event.>\", type: stream}. Each one has account, the name of one in keyring.yaml or a public key (A…), subject, type (stream or service), and may have name and local_subject. What an account exports to those alone that it has given a token cannot be imported so."`
	Exports   []AccountExport  `yaml:"exports" default:"[]" rule:"exports" doc:"What the account of a project exports to others. Each one has subject and type (stream or service), and may have name, and token_required: true, without which every account can import it."`
}

// AccountLimits are the limits of an account.
type AccountLimits struct {
	Connections     int  `yaml:"connections" default:"-1" rule:"account-connections" doc:"Connections of clients."`
	LeafNodes       int  `yaml:"leaf_nodes" default:"-1" rule:"no-limit-or-more" doc:"Connections of leaf nodes."`
	Subscriptions   int  `yaml:"subscriptions" default:"-1" rule:"no-limit-or-more" doc:"Subscriptions of one connection."`
	Payload         int  `yaml:"payload" default:"-1" rule:"no-limit-or-more" doc:"Bytes of one message."`
	Imports         int  `yaml:"imports" default:"-1" rule:"no-limit-or-more" doc:"Imports."`
	Exports         int  `yaml:"exports" default:"-1" rule:"no-limit-or-more" doc:"Exports."`
	WildcardExports bool `yaml:"wildcard_exports" default:"true" doc:"Whether an export may have wildcards."`
}

// AccountJetStream is what an account has of JetStream.
type AccountJetStream struct {
	MemoryStorage    int  `yaml:"memory_storage" default:"-1" rule:"no-limit-or-more" doc:"Bytes in memory, of all streams."`
	DiskStorage      int  `yaml:"disk_storage" default:"-1" rule:"no-limit-or-more" doc:"Bytes on disk, of all streams."`
	Streams          int  `yaml:"streams" default:"-1" rule:"no-limit-or-more" doc:"Streams."`
	Consumers        int  `yaml:"consumers" default:"-1" rule:"no-limit-or-more" doc:"Consumers."`
	MaxAckPending    int  `yaml:"max_ack_pending" default:"-1" rule:"no-limit-or-more" doc:"Messages of one consumer that were delivered and not acknowledged yet."`
	MaxBytesRequired bool `yaml:"max_bytes_required" doc:"Whether every stream has to say how many bytes it takes at most."`
}

// AccountImport is something that an account takes from another.
type AccountImport struct {
	Name         string `yaml:"name" nonempty:"true"`
	Account      string `yaml:"account" required:"true"`
	Subject      string `yaml:"subject" required:"true"`
	LocalSubject string `yaml:"local_subject" nonempty:"true"`
	Type         string `yaml:"type" required:"true"`
}

// AccountExport is something that an account gives to others.
type AccountExport struct {
	Name          string `yaml:"name" nonempty:"true"`
	Subject       string `yaml:"subject" required:"true"`
	Type          string `yaml:"type" required:"true"`
	TokenRequired bool   `yaml:"token_required"`
}
