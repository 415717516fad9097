package config

import (
	"time"

	"usher/app/config/schema"
)

// StanBridge configures the bridge from NATS Streaming to JetStream.
type StanBridge struct {
	URLs            []string      `yaml:"urls" default:"[]" rule:"nats-urls-or-none" doc:"Servers to connect to, such as the internal server of an event gateway. If empty, there is no bridge."`
	TLS             StanBridgeTLS `yaml:"tls" doc:"TLS of this connection. If the section is empty, usher verifies the servers' certificates with the root CAs of the system."`
	User            string        `yaml:"user" rule:"line" doc:"User name of the bridge. Set it together with stan_bridge.password_file. A server that knows its users by their certificates needs none."`
	PasswordFile    string        `yaml:"password_file" rule:"path" doc:"File with the password of stan_bridge.user. usher refuses a file that others can read, see keyring.allow_group_readable."`
	NKeyFile        string        `yaml:"nkey_file" rule:"path" doc:"File with the user nkey seed of the bridge. usher refuses a file that others can read, see keyring.allow_group_readable."`
	CredsFile       string        `yaml:"creds_file" rule:"path" doc:"Credentials file (.creds) of the bridge. usher refuses a file that others can read, see keyring.allow_group_readable."`
	ClusterID       string        `yaml:"cluster_id" default:"event-service" rule:"name" doc:"Cluster ID that clients connect to. Stop a NATS Streaming server of the same ID first: both would store every message."`
	Channels        []string      `yaml:"channels" default:"[habitat]" rule:"nonempty each=name unique" doc:"Channels that clients may publish to."`
	Stream          string        `yaml:"stream" default:"HABITAT" rule:"name" doc:"JetStream stream that stores the messages."`
	Subject         string        `yaml:"subject" default:"stan.{channel}" rule:"channel-subject" doc:"Subject of a message in the stream; {channel} is the name of its channel."`
	Domain          string        `yaml:"domain" rule:"name" doc:"JetStream domain of the stream. If empty, the one of the server."`
	Managed         bool          `yaml:"managed" default:"true" doc:"Create the stream and the durables if they do not exist, with the settings below. usher never changes or deletes one that exists."`
	MaxAge          time.Duration `yaml:"max_age" default:"168h" rule:"not-negative" doc:"How long a stream that usher creates keeps a message. 0: no limit."`
	MaxBytes        int           `yaml:"max_bytes" default:"1073741824" rule:"no-limit-or-more" doc:"How many bytes a stream that usher creates keeps. When it is full, the oldest messages are removed."`
	Replicas        int           `yaml:"replicas" default:"1" rule:"between=1..5" doc:"Number of servers of the cluster that store a stream that usher creates."`
	Durables        []string      `yaml:"durables" default:"[]" rule:"each=name unique" doc:"Durable pull consumers of the stream that usher creates: from the first message on, with explicit acknowledgements. Whoever reads one needs no right to create it."`
	MaxPayload      int           `yaml:"max_payload" default:"1048576" rule:"between=1..67108864" doc:"Maximum size of a message, in bytes. A larger one is refused."`
	MaxPending      int           `yaml:"max_pending" default:"65536" rule:"between=1..1048576" doc:"Number of messages that may wait for the acknowledgement of JetStream. What comes above it is not answered. One client has at most as many as are still free, which is half of them if it is alone. A client of stan.go sends 16384 by default before it waits."`
	MaxPendingBytes int           `yaml:"max_pending_bytes" default:"67108864" rule:"between=1048576..268435456" doc:"Bytes of the messages that may wait, in the same way."`
	AckWait         time.Duration `yaml:"ack_wait" default:"20s" rule:"at-least=100ms at-most=10m" doc:"How long a message waits for the acknowledgement of JetStream. Then the bridge forgets it, and its client is not answered. A client of stan.go waits 30s by default."`
}

// StanBridgeTLS configures the CAs that the bridge trusts and its client certificate.
type StanBridgeTLS struct {
	CAFile     string `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates to verify the servers' certificates with, instead of the root CAs of the system."`
	CertFile   string `yaml:"cert_file" rule:"path" doc:"PEM file with the client certificate of the bridge."`
	KeyFile    string `yaml:"key_file" rule:"path" doc:"PEM file with the private key of stan_bridge.tls.cert_file."`
	ServerName string `yaml:"server_name" rule:"host" doc:"Name to verify in the servers' certificates, if it is not the host of the URL."`
}

func stanBridgeConstraints() []schema.Constraint {
	const at = "stan_bridge."
	all := []schema.Constraint{
		schema.AtMostOne([]string{at + "user", at + "password_file"}, []string{at + "nkey_file"}, []string{at + "creds_file"}),
		schema.BothOrNeither(at+"user", at+"password_file"),
		schema.BothOrNeither(at+"tls.cert_file", at+"tls.key_file"),
		schema.NotAbove(at+"max_payload", at+"max_pending_bytes"),
	}
	for _, key := range []string{"cluster_id", "stream", "subject"} {
		all = append(all, schema.OnlyWith(at+"urls", at+key))
	}
	for _, key := range []string{"tls.ca_file", "tls.cert_file", "tls.server_name", "user", "nkey_file", "creds_file", "domain", "durables"} {
		all = append(all, schema.OnlyWith(at+key, at+"urls"))
	}
	return all
}
