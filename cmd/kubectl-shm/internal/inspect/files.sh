# Prints, for the regular files below a folder and on its file system, one line for each pattern of
# names: counts, sizes and ages. What looks made up by a program is a * before it leaves the
# container. Reads only; works with busybox, coreutils with findutils, and any awk.
LC_ALL=C
PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"
export LC_ALL PATH
for program in find stat awk date; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
echo shm 1
if [ -n "$missing" ]; then
  echo "missing$missing"
  exit 0
fi
find "$1" -xdev -type f -exec stat -c '%s %b %Y %n' -- '{}' + 2>/dev/null |
  awk -v now="$(date +%s)" -v skip="${#1}" -v most="$2" '
BEGIN {
  made = "[0-9A-Za-z]"
  made = made made made made
  made = made made made made "[0-9A-Za-z]*"
  split("60 600 3600 21600 86400 259200 604800", bounds, " ")
}
$1 !~ /^[0-9]+$/ || $2 !~ /^[0-9]+$/ || $3 !~ /^-?[0-9]+$/ { next }
{
  size = $1; blocks = $2; age = now - $3
  if (age < 0) age = 0
  name = $0
  sub(/^[0-9]+ [0-9]+ -?[0-9]+ /, "", name)
  name = substr(name, skip + 2)
  gsub(made, "*", name)
  gsub(/[A-Za-z]*[0-9][0-9A-Za-z]*/, "*", name)
  gsub(/\*[-*]*\*/, "*", name)
  if (length(name) > 80) name = substr(name, 1, 79) "*"
  if (!(name in files)) {
    if (kinds >= most) name = "/"
    else kinds++
    if (!(name in files)) { oldest[name] = age; newest[name] = age; written[name] = -1 }
  }
  files[name]++
  bytes[name] += size
  used[name] += blocks
  if (size == 0) empty[name]++
  else if (written[name] < 0 || age < written[name]) written[name] = age
  if (size > largest[name]) largest[name] = size
  if (age > oldest[name]) oldest[name] = age
  if (age < newest[name]) newest[name] = age
  for (i = 1; i in bounds; i++) if (age < bounds[i] + 0) { younger[i]++; pages[i] += blocks }
}
END {
  for (name in files)
    printf "files %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %s\n", files[name], empty[name], bytes[name], used[name], largest[name], oldest[name], newest[name], written[name], name
  for (i = 1; i in bounds; i++) printf "younger %.0f %.0f %.0f\n", bounds[i], younger[i], pages[i]
  print "end"
}'
