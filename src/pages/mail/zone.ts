// Times in the zone of a user, with the name of the zone.

/** "3 May 2026 at 16:03 (Europe/Berlin)"; in UTC where the zone is unknown. */
export function timeInZone(at: Date, zoneinfo: string | undefined): string {
  const timeZone = zoneinfo !== undefined && isZone(zoneinfo) ? zoneinfo : 'UTC';
  const format = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone });
  return `${format.format(at)} (${timeZone})`;
}

/** Whether this is the name of a time zone that the runtime knows. */
export function isZone(name: string): boolean {
  // An offset such as +02:00 is a zone to Intl, and no name.
  if (!/^[A-Za-z]/.test(name) || name.length > 64) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
