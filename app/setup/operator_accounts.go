package setup

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
)

// operatorJWT returns the self-signed JWT of the operator.
func (op *operator) operatorJWT() (string, error) {
	c := jwt.NewOperatorClaims(op.identity.public)
	c.Name = operatorName
	c.SigningKeys.Add(op.signing.public)
	c.SystemAccount = op.accounts[AccountSystem].public
	text, err := c.Encode(op.identity.pair)
	if err != nil {
		return "", fmt.Errorf("create operator: %w", err)
	}
	return text, nil
}

// accountJWTs returns the JWTs of all accounts by name, signed by the operator's
// signing key. With kv the callout account has JetStream, for the directory.
func (op *operator) accountJWTs(kv bool) (map[string]string, error) {
	texts := map[string]string{}
	for _, name := range allAccounts() {
		c := jwt.NewAccountClaims(op.accounts[name].public)
		c.Name = name
		if k, ok := op.signers[name]; ok {
			c.SigningKeys.Add(k.public)
		}
		if name == AccountApp || name == AccountCallout && kv {
			c.Limits.JetStreamLimits = jwt.JetStreamLimits{
				MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
			}
		}
		err := op.addRelations(c)
		if err == nil {
			texts[name], err = c.Encode(op.signing.pair)
		}
		if err != nil {
			return nil, fmt.Errorf("create account %s: %w", name, err)
		}
	}
	return texts, nil
}

// addRelations adds what an account has to do with others: external authorization, and
// the import and export of events. serverTemplate has the same for config mode.
func (op *operator) addRelations(c *jwt.AccountClaims) error {
	switch c.Name {
	case AccountCallout:
		c.Authorization.AuthUsers.Add(op.service.public)
		for _, name := range clientAccounts() {
			c.Authorization.AllowedAccounts.Add(op.accounts[name].public)
		}
		c.Authorization.XKey = op.xkey.public
	case AccountApp:
		token, err := op.activation()
		if err != nil {
			return err
		}
		c.Imports.Add(&jwt.Import{
			Name: ingestExport, Type: jwt.Stream, Subject: ingestSubjects,
			Account: op.accounts[AccountIngest].public, Token: token,
		})
	case AccountIngest:
		c.Exports.Add(&jwt.Export{Name: ingestExport, Type: jwt.Stream, Subject: ingestSubjects, TokenReq: true})
	}
	return nil
}

// ingestExport is the name of the events that AccountIngest exports.
const ingestExport = "ingest"

// activation returns the activation token with which only AccountApp can import the
// export of AccountIngest.
func (op *operator) activation() (string, error) {
	c := jwt.NewActivationClaims(op.accounts[AccountApp].public)
	c.Name = ingestExport
	c.ImportSubject, c.ImportType = ingestSubjects, jwt.Stream
	return c.Encode(op.accounts[AccountIngest].pair)
}

// restrictSentinel makes a user the sentinel, whose JWT every client may have. A
// connection is this user until usher has decided, so the user has no permission.
func restrictSentinel(c *jwt.UserClaims) {
	c.BearerToken = true
	c.Pub.Deny.Add(">")
	c.Sub.Deny.Add(">")
}
