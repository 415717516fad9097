package config

import (
	"time"

	"usher/app/config/schema"
)

// Push configures how messages of push-enabled subscriptions reach their endpoints.
type Push struct {
	Inside            bool          `yaml:"inside" doc:"Whether usher serve pushes messages itself. Otherwise run usher push, which needs the same configuration. Several of them share the work."`
	Bucket            string        `yaml:"bucket" default:"usher_push" rule:"bucket" doc:"JetStream bucket in the account of the service user with which push workers share the work. usher creates it."`
	Replicas          int           `yaml:"replicas" default:"1" rule:"between=1..5" doc:"Number of servers of the cluster that store push.bucket if usher creates it."`
	AllowNetworks     []string      `yaml:"allow_networks" default:"[]" rule:"each=network unique" doc:"Networks that endpoints may be in although they are not public: loopback, private, link-local, shared, multicast or reserved addresses. usher checks the address to which it connects, so a name that changes its address does not get around this. It never pushes to the metadata services of clouds, unless a network here names their address itself (/32 or /128)."`
	Ports             []string      `yaml:"ports" default:"[\"443\", \"8443\"]" rule:"nonempty each=port unique" doc:"Ports that endpoints may have."`
	AllowHTTP         bool          `yaml:"allow_http" doc:"Accept endpoints with http. Messages and authorization headers then cross the network in cleartext."`
	CAFile            string        `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates to verify endpoints with, instead of the root CAs of the system."`
	Timeout           time.Duration `yaml:"timeout" default:"30s" rule:"at-least=100ms at-most=10m" doc:"How long an endpoint may take to answer a push."`
	HeaderGrace       time.Duration `yaml:"header_grace" default:"1h" rule:"not-negative at-most=720h" doc:"How long the previous authorization header of a subscription is shown beside the new one after a rotation, so that the receiver can accept both. Pushes have the new one at once; an endpoint that answers with 401 or 403 gets the previous one as long."`
	MaxDeliveries     int           `yaml:"max_deliveries" default:"0" rule:"between=0..1000000" doc:"Deliveries of a message after which usher gives up and publishes it to push.dead_letter_subject. 0: never."`
	DeadLetterSubject string        `yaml:"dead_letter_subject" default:"{project}._dead.{subscription}" rule:"dead-letter-subject" doc:"Subject in the account of the project for messages that were given up. {project} and {subscription} are names. A managed stream of the project stores them if the subject begins with {project}._dead."`
	Concurrency       int           `yaml:"concurrency" default:"256" rule:"between=1..65536" doc:"Requests to endpoints that one process has open at once."`
	Servers           []PushServer  `yaml:"servers" default:"[]" rule:"unique-names" doc:"Push servers of the Argo Messaging Service that push instead of usher. usher activates and deactivates subscriptions there; they read messages from usher's API with a service token (api.service_tokens). One usher serve at a time does so; bucket push.bucket with _servers at its end says which."`
	GRPC              PushGRPC      `yaml:"grpc" doc:"The push service of usher push, as the Argo Messaging Service calls it (PushService over gRPC)."`
}

// PushServer is a push server of the Argo Messaging Service.
type PushServer struct {
	Name     string `yaml:"name" required:"true" rule:"name" doc:"Name of the push server, for logs and metrics."`
	Address  string `yaml:"address" required:"true" rule:"address" doc:"Address of its PushService."`
	CAFile   string `yaml:"ca_file" required:"true" rule:"path" doc:"PEM file with the CA certificates to verify it with."`
	CertFile string `yaml:"cert_file" required:"true" rule:"path" doc:"PEM file with the client certificate of usher."`
	KeyFile  string `yaml:"key_file" required:"true" rule:"path" doc:"PEM file with the private key of the certificate. usher refuses a file that others can read, see keyring.allow_group_readable."`
}

// PushGRPC configures the PushService of usher push.
type PushGRPC struct {
	Listen       string   `yaml:"listen" rule:"listen" doc:"Address of the service. If empty, there is none: usher push then works only on the subscriptions of the directory. What is activated there, this process pushes alone; so only one process should have it."`
	TLS          APITLS   `yaml:"tls" doc:"TLS of the service."`
	ClientCAFile string   `yaml:"client_ca_file" rule:"path" doc:"PEM file with the CA certificates that vouch for clients."`
	CommonNames  []string `yaml:"common_names" default:"[]" rule:"each=line unique" doc:"Common names of the certificates that may call. They are compared byte by byte with the CN of the client's own certificate."`
	Messages     PushFrom `yaml:"messages" doc:"Where the messages of subscriptions that are activated over this service come from: the API of an Argo Messaging Service."`
}

// PushFrom is an Argo Messaging Service whose messages usher push pushes.
type PushFrom struct {
	URL       string `yaml:"url" rule:"https-url" doc:"URL of the API, without /v1."`
	TokenFile string `yaml:"token_file" rule:"path" doc:"File with the token of a push_worker there. usher refuses a file that others can read, see keyring.allow_group_readable."`
	CAFile    string `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates to verify the API with, instead of the root CAs of the system."`
}

func pushConstraints() []schema.Constraint {
	const at = "push.grpc."
	return []schema.Constraint{
		schema.BothOrNeither(at+"tls.cert_file", at+"tls.key_file"),
		schema.BothOrNeither(at+"listen", at+"tls.cert_file"),
		schema.BothOrNeither(at+"listen", at+"client_ca_file"),
		schema.BothOrNeither(at+"listen", at+"common_names"),
		schema.BothOrNeither(at+"listen", at+"messages.url"),
		schema.BothOrNeither(at+"messages.url", at+"messages.token_file"),
		schema.OnlyWith(at+"messages.ca_file", at+"messages.url"),
		schema.AtMostOne([]string{"push.inside"}, []string{"push.servers"}),
		schema.OnlyWith("push.servers", "api.messages"),
		unsetWith("push.inside", DirectoryFile, "usher cannot write into a file whether an endpoint is verified; usher directory import copies the file into a bucket"),
	}
}
