// The sample pages in Chromium under their own policy, and their forms: without scripts, with hostile names, with redirects.
import test from 'ava';
import { type PageDocument, type PageElement, useChromium, useGallery } from './in_chromium.ts';
import { nasty, samples } from './samples.ts';

declare const document: PageDocument;
declare const getComputedStyle: (element: PageElement) => { fontFamily: string; outline: string };

const { openPage, visit } = useChromium();

test('the policy blocks nothing that a page needs, and a hostile name does not get past it', async (t) => {
  const { page, complaints } = await openPage(t);
  for (const name of Object.keys(samples)) {
    await visit(page, name);
    const font = await page.evaluate(() => getComputedStyle(document.body).fontFamily);
    t.true(font.startsWith('system-ui'), `${name} has its stylesheet`);
    t.is(await page.locator('script, [onerror], [style], iframe, img[src="x"]').count(), 0, name);
  }
  t.deepEqual(complaints, []);
});

test('without JavaScript a login sends its fields and the CSRF token', async (t) => {
  const own = await useGallery(t);
  const { page } = await openPage(t, { javaScriptEnabled: false });
  await page.goto(`${own.origin}/login`);
  await page.locator('input[name="username"]:focus').waitFor();
  await page.keyboard.type('ada');
  await page.keyboard.press('Tab');
  await page.keyboard.type('correct horse');
  await page.keyboard.press('Enter');
  await page.getByText('received').waitFor();
  await page.goto(`${own.origin}/login`);
  await page.getByRole('button', { name: 'Back to Photo Printer' }).click();
  await page.getByText('received').waitFor();
  t.deepEqual(own.posts, [
    {
      path: '/interaction/uid',
      fields: { csrf: 'csrf-token', username: 'ada', password: 'correct horse' },
    },
    { path: '/interaction/uid', fields: { csrf: 'csrf-token' } },
  ]);
});

test('without JavaScript consent is allowed and denied, and a device is renamed', async (t) => {
  const own = await useGallery(t);
  const { page } = await openPage(t, { javaScriptEnabled: false });
  for (const name of ['Allow', 'Deny']) {
    await page.goto(`${own.origin}/consent`);
    await page.getByRole('button', { name }).click();
    await page.getByText('received').waitFor();
  }
  await page.goto(`${own.origin}/account`);
  await page.getByText('Rename Kitchen tablet').click();
  await page.getByRole('textbox', { name: 'New name of Kitchen tablet' }).fill('Hall');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('received').waitFor();
  t.deepEqual(own.posts, [
    { path: '/interaction/uid', fields: { csrf: 'csrf-token', decision: 'allow' } },
    { path: '/interaction/uid', fields: { csrf: 'csrf-token', decision: 'deny' } },
    { path: '/account/devices/3/rename', fields: { csrf: 'csrf-token', name: 'Hall' } },
  ]);
});

test('names in hidden fields are submitted unchanged', async (t) => {
  const own = await useGallery(t);
  const { page } = await openPage(t);
  await page.goto(`${own.origin}/logout_nasty`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('received').waitFor();
  // Except for the characters that change the text direction, which no page prints.
  const plain = nasty.replaceAll(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
  t.deepEqual(own.posts[0]?.fields, { [plain]: plain, xsrf: plain, logout: 'yes' });
});

test('the code field accepts any case and spacing, and nothing but a code', async (t) => {
  const { page } = await openPage(t);
  await visit(page, 'device_code');
  const field = page.locator('#user_code');
  const isValid = async (code: string) => {
    await field.fill(code);
    return await field.evaluate((one) => (one as { checkValidity(): boolean }).checkValidity());
  };
  for (const code of ['BCDF-GHJK', 'bcdfghjk', ' bcdf ghjk ', 'b-c-d-f-g-h-j-k', '1234 5678'])
    t.true(await isValid(code));
  for (const code of ['', 'BCDF-GHJ', 'BCDF-GHJKL', '--------']) t.false(await isValid(code), code);
});

test('a form leads to another site only where the policy is that of a form that ends at a client', async (t) => {
  const [own, client] = await Promise.all([useGallery(t), useGallery(t)]);
  const target = `${client.origin}/logged_out`;
  const { page, complaints } = await openPage(t);
  own.answerPosts(target, true);
  await page.goto(`${own.origin}/consent`);
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.waitForURL(target);
  t.deepEqual(complaints, []);
  own.answerPosts(target, false);
  await page.goto(`${own.origin}/consent`);
  const complaint = page.waitForEvent('console');
  await page.getByRole('button', { name: 'Allow' }).click();
  t.regex((await complaint).text(), /form-action/);
  t.is(page.url(), `${own.origin}/consent`);
});
