package gateway

import (
	"usher/app/demo"
	"usher/app/devserver"
	"usher/app/setup"
	"usher/internal/secret"
)

// Site is what runs where. All paths are absolute.
type Site struct {
	External    Server       `json:"external"`
	Internal    Server       `json:"internal"`
	CA          string       `json:"ca_file"`       // of all certificates
	API         string       `json:"api,omitempty"` // URL of the management API
	Config      string       `json:"config"`
	Dir         string       `json:"dir"`
	Supervisors []Credential `json:"supervisors"`     // users who may send events
	Refused     Credential   `json:"refused"`         // its token has expired
	Admin       *Credential  `json:"admin,omitempty"` // a service_admin, for the API; nil: the folder is older than the API
	Services    []Service    `json:"services"`        // that connect to the internal server
	Streaming   Streaming    `json:"streaming"`
}

// Server is a nats-server.
type Server struct {
	URL     string `json:"url"`
	Name    string `json:"server_name"` // that its certificate holds for
	Cert    string `json:"cert_file"`
	Gateway string `json:"gateway"` // HOST:PORT for the other server
	Log     string `json:"log_file"`
}

// Credential is a user of the directory.
type Credential struct {
	Name  string `json:"name"`
	Token string `json:"token_file"`
}

// Service is a client of the internal server. It is known by its certificate.
type Service struct {
	Name string `json:"name"`
	Cert string `json:"cert_file"`
	Key  string `json:"key_file"`
}

// Site returns the files, without addresses.
func (r *Run) Site() Site {
	path := func(name string) string { return secret.RedactDetected(r.path(name)) }
	token := func(name string) Credential {
		return Credential{Name: name, Token: path(demo.DirTokens + "/" + name)}
	}
	service := func(name string) Service {
		return Service{Name: name, Cert: path(setup.CertFile(name)), Key: path(setup.KeyFile(name))}
	}
	server := func(name, cert, log string) Server {
		return Server{Name: name, Cert: path(setup.CertFile(cert)), Log: path(log)}
	}
	site := Site{
		External: server(serverName, setup.CertPublic, "external.log"),
		Internal: server(setup.GatewayInternal, setup.GatewayInternal, "internal.log"),
		CA:       path(setup.FileCA), Config: path(setup.FileConfig), Dir: secret.RedactDetected(r.Dir),
		Refused:   token(r.Directory.Refused.Name),
		Services:  []Service{service(setup.ServiceApplications)},
		Streaming: r.streaming(),
	}
	for _, i := range r.Directory.Identities {
		c := token(i.Name)
		if i.Role == roleIngest {
			site.Supervisors = append(site.Supervisors, c)
		} else {
			site.Admin = &c
		}
	}
	switch r.streaming() {
	case Bridge:
		site.Services = append(site.Services, service(setup.ServiceBridge), service(setup.ServiceStore))
	case STAN:
		site.Services = append(site.Services, service(setup.GatewayInternal))
	case Off:
	}
	return site
}

// running returns what runs where.
func (r *Run) running(api string, s *servers) Site {
	site := r.Site()
	site.API = api
	site.External.at(s.external)
	site.Internal.at(s.internal)
	return site
}

func (s *Server) at(srv *devserver.Server) {
	s.URL, s.Gateway = "tls://"+address(srv), srv.GatewayAddress()
}
