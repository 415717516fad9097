package setup

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
)

// operatorJWT returns the JWT of the operator, signed by itself.
func (op *operator) operatorJWT() (string, error) {
	c := jwt.NewOperatorClaims(op.identity.public)
	c.Name = operatorName
	c.SigningKeys.Add(op.signing.public)
	c.SystemAccount = op.accounts[AccountSystem].public
	text, err := c.Encode(op.identity.pair)
	if err != nil {
		return "", fmt.Errorf("make operator: %w", err)
	}
	return text, nil
}

// accountJWTs returns the JWTs of all accounts by name, signed by the operator's
// signing key. With kv the callout account keeps the directory.
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
		err := op.complete(c)
		if err == nil {
			texts[name], err = c.Encode(op.signing.pair)
		}
		if err != nil {
			return nil, fmt.Errorf("make account %s: %w", name, err)
		}
	}
	return texts, nil
}

// complete gives an account what it is for. What it has in config mode stands in
// serverTemplate.
func (op *operator) complete(c *jwt.AccountClaims) error {
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

// ingestExport is what AccountIngest calls the events that it passes on.
const ingestExport = "ingest"

// activation lets AccountApp, and no other, import what AccountIngest exports.
func (op *operator) activation() (string, error) {
	c := jwt.NewActivationClaims(op.accounts[AccountApp].public)
	c.Name = ingestExport
	c.ImportSubject, c.ImportType = ingestSubjects, jwt.Stream
	return c.Encode(op.accounts[AccountIngest].pair)
}

// bearer makes the sentinel of a user: what a connection is until usher has
// decided. Anybody can be it, so it can do nothing.
func bearer(c *jwt.UserClaims) {
	c.BearerToken = true
	c.Pub.Deny.Add(">")
	c.Sub.Deny.Add(">")
}
