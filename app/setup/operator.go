package setup

import (
	"fmt"
	"strings"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/keyring"
	issueroperator "usher/issuer/operator"
)

// The names of the files of operator mode, relative to the folder of an installation.
const (
	DirOperator         = "operator"
	FileOperator        = DirOperator + "/operator.jwt"
	FileOperatorSigning = DirOperator + "/signing" + keyring.SeedSuffix
	DirAccounts         = DirOperator + "/accounts" // NAME.jwt of each account
	DirIdentity         = DirOperator + "/keys"     // identity seeds of operator and accounts
	FileOperatorKey     = DirIdentity + "/operator" + keyring.SeedSuffix
	FileKeyring         = DirKeys + "/" + keyring.StateFile
	FileServiceCreds    = "service.creds"
	FileSentinelCreds   = "sentinel.creds"
	FileSystemCreds     = "system.creds"
	FileSessionsCreds   = "sessions.creds"
	DirResolver         = "resolver"
)

// The names of the operator and of the users other than ServiceUser.
const (
	operatorName = "usher"
	sentinelUser = "sentinel"
	systemUser   = "system"
)

// clientAccounts returns the accounts that usher places clients in.
func clientAccounts() []string { return []string{AccountApp, AccountIngest, AccountHealth} }

// signingAccounts returns the accounts that usher has a signing key of: the callout
// account's key signs responses, the others' keys sign user JWTs.
func signingAccounts() []string { return append([]string{AccountCallout}, clientAccounts()...) }

func allAccounts() []string { return append([]string{AccountSystem}, signingAccounts()...) }

func fileIdentity(account string) string { return DirIdentity + "/" + account + keyring.SeedSuffix }
func fileAccount(account string) string  { return DirAccounts + "/" + account + ".jwt" }
func fileSigning(account string) string {
	return DirKeys + "/" + strings.ToLower(account) + keyring.SeedSuffix
}

// operatorModeNames returns the names of the files that only operator mode has, and
// FileServerConfig.
func operatorModeNames() []string {
	names := []string{FileOperatorKey}
	for _, a := range allAccounts() {
		names = append(names, fileIdentity(a))
	}
	names = append(names, FileOperatorSigning, FileOperator)
	for _, a := range allAccounts() {
		names = append(names, fileAccount(a))
	}
	for _, a := range signingAccounts() {
		names = append(names, fileSigning(a))
	}
	return append(names, FileXKey, FileKeyring, FileServiceCreds, FileSentinelCreds, FileSystemCreds, FileSessionsCreds, FileServerConfig)
}

// operatorModeFiles returns the files that only operator mode has.
func (o *Options) operatorModeFiles() ([]File, error) {
	op, err := newOperator(o.Random)
	if err != nil {
		return nil, err
	}
	content := op.seeds()
	operatorJWT, err := op.operatorJWT()
	if err != nil {
		return nil, err
	}
	content[FileOperator] = []byte(operatorJWT)
	accounts, err := op.accountJWTs(o.KV)
	if err != nil {
		return nil, err
	}
	for name, text := range accounts {
		content[fileAccount(name)] = []byte(text)
	}
	sentinelJWT, err := op.users(content)
	if err != nil {
		return nil, err
	}
	if content[FileKeyring], err = op.keyring(o); err != nil {
		return nil, err
	}
	content[FileServerConfig] = o.operatorServerConfig(op, operatorJWT, sentinelJWT, accounts)
	var files []File
	for _, name := range operatorModeNames() {
		files = append(files, File{name, content[name]})
	}
	return files, nil
}

// keyring returns the content of keyring.yaml.
func (op *operator) keyring(o *Options) ([]byte, error) {
	s := &keyring.State{}
	for _, name := range allAccounts() {
		s.Accounts = append(s.Accounts, issuer.Account{Name: name, PublicKey: op.accounts[name].public})
	}
	add := func(e keyring.Entry, file string) {
		e.File, e.State, e.Since = strings.TrimPrefix(file, DirKeys+"/"), issuer.StateActive, o.Now
		s.Keys = append(s.Keys, e)
	}
	for _, name := range signingAccounts() {
		add(keyring.Entry{Kind: issuer.KindSigning, Account: name, PublicKey: op.signers[name].public}, fileSigning(name))
	}
	add(keyring.Entry{Kind: issuer.KindXKey, PublicKey: op.xkey.public}, FileXKey)
	return keyring.Encode(o.path(FileKeyring), keyring.Config{Callout: AccountCallout, System: AccountSystem}, s)
}

// users adds the .creds files to content and returns the sentinel's JWT.
func (op *operator) users(content map[string][]byte) (sentinelJWT string, _ error) {
	for _, u := range []struct {
		file, name, account string
		key                 key
	}{
		{FileServiceCreds, ServiceUser, AccountCallout, op.service},
		{FileSentinelCreds, sentinelUser, AccountCallout, op.sentinel},
		{FileSystemCreds, systemUser, AccountSystem, op.system},
		{FileSessionsCreds, SessionsUser, AccountSystem, op.sessions},
	} {
		c := jwt.NewUserClaims(u.key.public)
		c.Name = u.name
		switch u.name {
		case sentinelUser:
			restrictSentinel(c)
		case SessionsUser:
			publish, subscribe := issueroperator.SessionSubjects()
			c.Pub.Allow.Add(publish...)
			c.Sub.Allow.Add(subscribe...)
		}
		text, err := c.Encode(op.accounts[u.account].pair)
		if err == nil {
			content[u.file], err = jwt.FormatUserConfig(text, u.key.seed)
		}
		if err != nil {
			return "", fmt.Errorf("create user %s: %w", u.name, err)
		}
		if u.name == sentinelUser {
			sentinelJWT = text
		}
	}
	return sentinelJWT, nil
}
