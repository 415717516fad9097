package config

import (
	"time"

	"usher/app/config/schema"
)

// The values of projects.streams.
const (
	StreamsManaged = "managed"
	StreamsManual  = "manual"
)

// Projects configures what usher keeps for projects in their accounts.
type Projects struct {
	Streams        string        `yaml:"streams" default:"manual" rule:"one-of=managed|manual" doc:"Who keeps the JetStream streams and consumers of projects. managed: usher does. The stream of a project has its name and the subjects of its topics; each subscription is a durable pull consumer with its name, whose AckWait is ackDeadlineSeconds. manual: you do, for example with the nats CLI. usher check compares them with the directory either way."`
	StreamReplicas int           `yaml:"stream_replicas" default:"1" rule:"between=1..5" doc:"Number of servers of the cluster that store a stream that usher creates. usher does not change it later."`
	StreamStorage  string        `yaml:"stream_storage" default:"file" rule:"one-of=file|memory" doc:"Storage type of a stream that usher creates."`
	StreamMaxAge   time.Duration `yaml:"stream_max_age" default:"168h" rule:"not-negative" doc:"How long a stream that usher creates keeps a message. 0: no limit. usher does not change it later."`
	StreamMaxBytes int           `yaml:"stream_max_bytes" default:"1073741824" rule:"no-limit-or-more" doc:"How many bytes a stream that usher creates keeps. When it is full, it refuses new messages. -1: no limit. usher does not change it later."`
}

// UsesProjectAccounts reports whether usher connects into the accounts of projects: for
// messages over HTTP, for pushes, or to keep streams.
func (c *Config) UsesProjectAccounts() bool {
	return c.API.Messages || c.Projects.Streams == StreamsManaged ||
		c.Push.Inside || c.Push.GRPC.Listen != "" || len(c.Push.Servers) > 0
}

// The values of api.service_tokens[].role.
const (
	ServiceTokenAdmin      = "service_admin"
	ServiceTokenPushWorker = "push_worker"
	ServiceTokenViewer     = "admin_viewer"
)

// ServiceToken is a key of the API that belongs to a service and to no user.
type ServiceToken struct {
	Name      string `yaml:"name" required:"true" rule:"name" doc:"Name of the service, for the audit."`
	Role      string `yaml:"role" default:"push_worker" rule:"one-of=service_admin|push_worker|admin_viewer" doc:"What the service may do. push_worker is for a push server: it may read subscriptions, pull and acknowledge in every project."`
	TokenFile string `yaml:"token_file" required:"true" rule:"path" doc:"File with the token: 64 hexadecimal digits in lower case. usher refuses a file that others can read, see keyring.allow_group_readable. usher reads it at the start."`
}

func messageConstraints() []schema.Constraint {
	return []schema.Constraint{
		schema.OnlyWith("api.messages", "api.listen"),
		schema.OnlyWith("api.service_tokens", "api.listen"),
		schema.OnlyWith("push.inside", "api.listen"),
	}
}
