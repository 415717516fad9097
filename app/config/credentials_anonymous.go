package config

// Anonymous configures clients without a credential.
type Anonymous struct {
	Enabled  bool     `yaml:"enabled" doc:"Give clients that present no credential at all the identity anonymous. A rule of identities says what they may do. A client with a bad credential is never anonymous."`
	Name     string   `yaml:"name" default:"anonymous" rule:"name" doc:"Name of the authority of this identity, for the rules of identities."`
	Networks []string `yaml:"networks" default:"[]" rule:"each=network unique" doc:"Networks from which clients may be anonymous, such as 10.0.0.0/8. If empty, from everywhere."`
}
