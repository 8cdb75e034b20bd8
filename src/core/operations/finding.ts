// What the doctor reports about one check.

export interface Finding {
  /** What was checked. */
  check: string;
  /** `note`: nothing is wrong, but the operator should know it. */
  state: 'good' | 'note' | 'wrong';
  /** What was found. */
  text: string;
  /** What to do. */
  advice?: string;
  /** The same for machines. */
  data?: object;
}
