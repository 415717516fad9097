package wire

import "time"

// KeyTerms say whether a key works, when and from where. AMS has none of this.
type KeyTerms struct {
	Enabled        *bool      `json:"enabled,omitempty"`
	ExpiresOn      *time.Time `json:"expires_on,omitempty"` // at most one of expires_on and expires_in may be set
	ExpiresIn      string     `json:"expires_in,omitempty"` // a duration, such as "720h", or Never
	NotBefore      *time.Time `json:"not_before,omitempty"`
	SourceNetworks []string   `json:"source_networks,omitzero"` // CIDR or single addresses; an empty list: every network
}

// Never is the value of KeyTerms.ExpiresIn for a key that does not expire.
const Never = "never"

// NKey is a public nkey with which a user connects.
type NKey struct {
	Key
	NKey string `json:"nkey"`
}

// NKeyInput adds an nkey to a user.
type NKeyInput struct {
	Name string `json:"name"`
	NKey string `json:"nkey"` // the public one: U…
	KeyTerms
}

// NKeyList is one page of a user's nkeys, newest first.
type NKeyList struct {
	NKeys         []NKey `json:"nkeys"`
	NextPageToken string `json:"nextPageToken"`
	TotalSize     int    `json:"totalSize"`
}

// Certificate is the subject of a TLS client certificate with which a user connects.
type Certificate struct {
	Key
	Subject string `json:"subject"` // in the form of AMS
}

// CertificateInput adds the subject of a certificate to a user.
type CertificateInput struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	KeyTerms
}

// CertificateList is one page of a user's certificates, newest first.
type CertificateList struct {
	Certificates  []Certificate `json:"certificates"`
	NextPageToken string        `json:"nextPageToken"`
	TotalSize     int           `json:"totalSize"`
}

// Binding gives a client with a certificate a short-lived key of a user, for one host of
// a type of service.
type Binding struct {
	Key
	Subject     string `json:"subject"` // in the form of AMS
	ServiceType string `json:"service_type"`
	Host        string `json:"host"`
}

// BindingInput adds a binding to a user.
type BindingInput struct {
	Name        string `json:"name"`
	Subject     string `json:"subject"`
	ServiceType string `json:"service_type"`
	Host        string `json:"host"`
	KeyTerms
}

// BindingList is one page of a user's bindings, newest first.
type BindingList struct {
	Bindings      []Binding `json:"bindings"`
	NextPageToken string    `json:"nextPageToken"`
	TotalSize     int       `json:"totalSize"`
}

// Password says that a user has a password, without the password or its hash.
type Password struct {
	Key
	Algorithm string `json:"algorithm"` // argon2id or bcrypt
}

// PasswordInput sets the password of a user, or changes its terms. At most one of
// Password and Hash may be set; a user without a password needs one.
type PasswordInput struct {
	Password string `json:"password,omitempty"` // usher keeps only its hash
	Hash     string `json:"hash,omitempty"`     // a PHC string of argon2id, or bcrypt
	KeyTerms
}

// Login is the API key that a client gets for its certificate.
type Login struct {
	Token string `json:"token"`
}
