package webhook

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
)

// Version is the version of the format of requests and answers.
const Version = 1

// Fact is a group of facts about a client that requests may contain.
type Fact string

// The facts.
const (
	FactClient    Fact = "client"    // address, name, library, kind and type of the connection
	FactServer    Fact = "server"    // the nats-server
	FactTLS       Fact = "tls"       // subject and names of the verified client certificate
	FactTLSChain  Fact = "tls_chain" // the same, and the certificates in PEM form
	FactSelection Fact = "selection" // the project or account that the client asks for
)

// Facts lists the facts, in the order in which documents show them.
func Facts() []Fact { return []Fact{FactClient, FactServer, FactTLS, FactTLSChain, FactSelection} }

// request is the body of a request.
type request struct {
	Version    int        `json:"version"`
	CallID     string     `json:"call_id"`
	RequestID  string     `json:"request_id,omitempty"`
	Authority  string     `json:"authority"`
	Credential presented  `json:"credential"`
	Client     *client    `json:"client,omitempty"`
	Server     *server    `json:"server,omitempty"`
	TLS        *tlsFacts  `json:"tls,omitempty"`
	Selection  *selection `json:"selection,omitempty"`
}

// presented is the credential, and what the client asks for with it.
type presented struct {
	Kind     Kind   `json:"kind"`
	Token    string `json:"token,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`

	selection identity.Selection
}

type client struct {
	Host         string `json:"host,omitempty"`
	Name         string `json:"name,omitempty"`
	Lang         string `json:"lang,omitempty"`
	Version      string `json:"version,omitempty"`
	Kind         string `json:"kind,omitempty"`
	Type         string `json:"type,omitempty"`
	MQTTClientID string `json:"mqtt_client_id,omitempty"`
}

type server struct {
	Name    string   `json:"name,omitempty"`
	ID      string   `json:"id,omitempty"`
	Cluster string   `json:"cluster,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

type tlsFacts struct {
	Subject        string   `json:"subject"`
	DNSNames       []string `json:"dns_names,omitempty"`
	EmailAddresses []string `json:"email_addresses,omitempty"`
	IPAddresses    []string `json:"ip_addresses,omitempty"`
	URIs           []string `json:"uris,omitempty"`
	Chain          []string `json:"chain,omitempty"`
}

type selection struct {
	Project string `json:"project,omitempty"`
	Account string `json:"account,omitempty"`
}

// body returns the body of a request about a credential.
func (v *Verifier) body(p *presented, c *tokens.Credential) ([]byte, error) {
	r := request{Version: Version, CallID: v.cfg.NewID(), RequestID: c.RequestID, Authority: string(v.cfg.Authority), Credential: *p}
	if v.facts[FactClient] {
		r.Client = &client{
			Host: c.Host, Name: c.Client.Name, Lang: c.Client.Lang, Version: c.Client.Version,
			Kind: c.Client.Kind, Type: c.Client.Type, MQTTClientID: c.Connection.MQTTClientID,
		}
	}
	if v.facts[FactServer] {
		r.Server = &server{c.Server.Name, c.Server.ID, c.Server.Cluster, c.Server.Tags}
	}
	if chain := v.chain(c); chain != nil {
		leaf, err := factsOf(chain[0])
		if err != nil {
			return nil, err
		}
		if v.facts[FactTLSChain] {
			leaf.Chain = chain
		}
		r.TLS = leaf
	}
	if v.facts[FactSelection] && !p.selection.IsZero() {
		r.Selection = &selection{p.selection.Project, p.selection.Account}
	}
	return json.Marshal(r)
}

// chain returns the certificates that requests are about; nil: none.
func (v *Verifier) chain(c *tokens.Credential) []string {
	if (v.facts[FactTLS] || v.facts[FactTLSChain]) && len(c.VerifiedChains) > 0 && len(c.VerifiedChains[0]) > 0 {
		return c.VerifiedChains[0]
	}
	return nil
}

// key returns the key of an answer: a digest of all that body sends but the ids of request
// and call, because the answer may depend on all of it.
func (v *Verifier) key(p *presented, c *tokens.Credential) [32]byte {
	parts := append(make([]string, 0, 24), string(p.Kind), p.Token, p.User, p.Password)
	if v.facts[FactClient] {
		parts = append(parts, c.Host, c.Client.Name, c.Client.Lang, c.Client.Version, c.Client.Kind, c.Client.Type, c.Connection.MQTTClientID)
	}
	if v.facts[FactServer] {
		parts = append(parts, c.Server.Name, c.Server.ID, c.Server.Cluster, strconv.Itoa(len(c.Server.Tags)))
		parts = append(parts, c.Server.Tags...)
	}
	if v.facts[FactSelection] {
		parts = append(parts, p.selection.Project, p.selection.Account)
	}
	return backend.Key(v.name, append(parts, v.chain(c)...)...)
}

// factsOf returns the facts of a certificate in PEM form.
func factsOf(text string) (*tlsFacts, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the certificate of the client is not in PEM form")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate of the client: %w", err)
	}
	f := &tlsFacts{Subject: leaf.Subject.String(), DNSNames: leaf.DNSNames, EmailAddresses: leaf.EmailAddresses}
	for _, a := range leaf.IPAddresses {
		f.IPAddresses = append(f.IPAddresses, a.String())
	}
	for _, u := range leaf.URIs {
		f.URIs = append(f.URIs, u.String())
	}
	return f, nil
}
