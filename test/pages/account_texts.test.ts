// The texts of the account page; that each reason and weakness has one is tested in rendering.test.ts.
import test from 'ava';
import { isFlashCode } from '../../src/pages/account_texts.ts';

test('only known codes are flash messages', (t) => {
  t.true(isFlashCode('session_ended'));
  for (const value of ['toString', '__proto__', '', 'Send your password to …', 1, null])
    t.false(isFlashCode(value));
});
