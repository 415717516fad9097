#compdef usher
# Completion of usher for zsh.
_usher() {
  local line
  local -a offers
  for line in "${(@f)$("${words[1]/#\~/$HOME}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      compset -P '*='
      _files
    elif [[ -n $line ]]; then
      offers+=("${${line//:/\\:}/$'\t'/:}")
    fi
  done
  (( $#offers )) && _describe usher offers
}
if [[ $funcstack[1] == _usher ]]; then
  _usher "$@"
else
  compdef _usher usher
fi
